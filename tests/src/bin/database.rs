//! A daemon with a database, which is opened in `setup` with `DAEMON_IN_SETUP`, and else in main's body.

tests::linux_alone! {
    use daemon_runtime::{Ready, daemon};
    use rusqlite::Connection;
    use tests::fixture::{begin, flag, text, touch, wait};

    fn open() -> rusqlite::Result<Connection> {
        let database = Connection::open(text("database").expect("a path"))?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.execute_batch("create table if not exists rows(text); insert into rows values ('first');")?;
        Ok(database)
    }

    fn prepare() -> rusqlite::Result<Option<Connection>> {
        begin();
        flag("in_setup").then(open).transpose()
    }

    #[daemon(setup = prepare()?, pid_file = text("pid_file"))]
    fn main(database: Option<Connection>, ready: Ready) -> rusqlite::Result<()> {
        let database = database.map_or_else(open, Ok)?;
        ready.notify();
        touch("body").expect("a mark");
        // Meanwhile somebody else looks.
        wait("seen");
        database.execute_batch("insert into rows values ('second');")?;
        touch("written").expect("a mark");
        wait("end");
        // Without a checkpoint: what was committed is in the log.
        std::process::exit(0)
    }
}
