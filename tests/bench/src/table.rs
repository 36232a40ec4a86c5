//! All that was measured: as Markdown, a table a group of contenders; and of what a reader asks first, a drawing.

use std::fmt::Write;

use crate::contender::{Contender, Group};

#[derive(Clone, Copy)]
pub enum Unit {
    Seconds,
    Bytes,
    Number,
}

struct Column {
    title: String,
    group: Group,
    is_rival: bool,
    is_ours: bool,
}

struct Row {
    title: String,
    unit: Unit,
    values: Vec<Option<f64>>,
    /// Of times that were measured more than once: a quarter is below the one, a quarter above the other.
    quartiles: Vec<Option<[f64; 2]>>,
}

pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// How often what was measured.
    pub rounds: Vec<String>,
}

const GROUPS: [(Group, &str); 2] = [
    (Group::Waits, "The launcher waits until the daemon is ready"),
    (Group::DoesNotWait, "The launcher exits as soon as it has forked"),
];

/// What a reader asks, and the row that answers.
const QUESTIONS: [([&str; 2], &str); 4] = [
    (["my shell", "is back after"], "launcher back, 10 of 1024 descriptors"),
    (["my code", "runs after"], "body runs, 10 of 1024 descriptors"),
    (["it adds to a", "debug build"], "cold debug build over the empty program"),
    (["it adds to the", "stripped program"], "stripped program over the empty program"),
];

impl Table {
    pub fn new(contenders: &[Contender]) -> Table {
        let column = |contender: &Contender| Column {
            title: contender.title(),
            group: contender.group,
            is_rival: contender.is_rival(),
            is_ours: contender.is_ours(),
        };
        Table { columns: contenders.iter().map(column).collect(), rows: Vec::new(), rounds: Vec::new() }
    }

    pub fn row(&mut self, title: impl Into<String>, unit: Unit, values: Vec<Option<f64>>) {
        let quartiles = vec![None; values.len()];
        self.rows.push(Row { title: title.into(), unit, values, quartiles });
    }

    /// A row of medians and quartiles.
    pub fn times(&mut self, title: impl Into<String>, mut times: Vec<Vec<f64>>) {
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let quartiles = times.iter().map(|times| Some([quarter(times, 1)?, quarter(times, 3)?])).collect();
        let values = times.iter().map(|times| quarter(times, 2)).collect();
        self.rows.push(Row { title: title.into(), unit: Unit::Seconds, values, quartiles });
    }

    /// A row, and one of what the others have more than the empty program.
    pub fn row_and_difference(&mut self, title: &str, unit: Unit, values: Vec<Option<f64>>) {
        self.row(title, unit, values.clone());
        self.difference(title, unit, values);
    }

    /// A row of what the others have more than the empty program.
    pub fn difference(&mut self, title: &str, unit: Unit, values: Vec<Option<f64>>) {
        let floor = self.of_group(Group::Floor).next().and_then(|at| values[at]);
        let over = values.iter().map(|value| Some((*value)? - floor?)).collect();
        self.row(format!("{title} over the empty program"), unit, over);
    }

    fn of_group(&self, group: Group) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(move |at| self.columns[*at].group == group)
    }

    /// The least of the other Rust crates that wait.
    fn best(&self, row: &Row) -> Option<f64> {
        let rivals = self.of_group(Group::Waits).filter(|at| self.columns[*at].is_rival);
        rivals.filter_map(|at| row.values[at]).min_by(f64::total_cmp)
    }

    pub fn markdown(&self) -> String {
        GROUPS.map(|(group, title)| format!("## {title}\n\n{}", self.group_markdown(group))).join("\n")
    }

    fn group_markdown(&self, group: Group) -> String {
        let columns: Vec<usize> = self.of_group(Group::Floor).chain(self.of_group(group)).collect();
        let mut lines = vec![vec![String::new()], vec!["---".into()]];
        lines[0].extend(columns.iter().map(|at| self.columns[*at].title.clone()));
        lines[1].extend(columns.iter().map(|_| "--:".into()));
        for row in &self.rows {
            let best = self.best(row).filter(|_| matches!(row.unit, Unit::Seconds));
            let cell = |at: &usize| row.cell(*at, best);
            lines.push([row.title.clone()].into_iter().chain(columns.iter().map(cell)).collect());
        }
        lines.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect()
    }

    /// A line a contender, a column a question.
    pub fn svg(&self, notes: &[String]) -> String {
        const TOP: usize = 48;
        const LINE: usize = 22;
        const LABEL: usize = 250;
        const CELL: usize = 160;
        const BAR: usize = 90;
        let answers: Vec<_> = QUESTIONS
            .iter()
            .filter_map(|(question, title)| Some((question, self.rows.iter().find(|row| row.title == *title)?)))
            .collect();
        let lines = self.columns.len() + GROUPS.len();
        let (width, bottom) = (LABEL + CELL * answers.len(), TOP + LINE * lines + 10);
        let height = bottom + 16 * notes.len() + 10;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        let mut text = |x: usize, y: usize, style: &str, text: &str| {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{text}</text>").expect("a string has room");
        };
        for (at, (question, _)) in answers.iter().enumerate() {
            for (line, words) in question.iter().enumerate() {
                text(LABEL + CELL * at, 20 + 16 * line, "font-weight=\"bold\"", words);
            }
        }
        let mut bars = String::new();
        let mut y = TOP;
        for (group, title) in [(Group::Floor, "")].into_iter().chain(GROUPS) {
            if !title.is_empty() {
                y += LINE;
                text(10, y, "fill=\"#444\" font-style=\"italic\"", title);
            }
            for column in self.of_group(group) {
                y += LINE;
                let is_ours = self.columns[column].is_ours;
                let style = if is_ours { "font-weight=\"bold\"" } else { "" };
                text(20, y, style, &self.columns[column].title);
                for (at, (_, row)) in answers.iter().enumerate() {
                    let Some(value) = row.values[column] else { continue };
                    let x = LABEL + CELL * at;
                    let scale = row.unit.scale(value);
                    text(x, y, style, &(scale.number(value) + &scale.suffix()));
                    // The longest bar is that of a Rust crate; what is longer is cut off.
                    let crates =
                        self.columns.iter().zip(&row.values).filter(|(column, _)| column.is_rival || column.is_ours);
                    let most = crates.filter_map(|(_, value)| *value).max_by(f64::total_cmp).unwrap_or(value);
                    let length = (value / most).clamp(0.0, 1.0) * BAR as f64;
                    let fill = if is_ours { "#c2410c" } else { "#94a3b8" };
                    let (x, y) = (x + CELL - BAR - 15, y - 10);
                    writeln!(bars, "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"10\" fill=\"{fill}\"/>")
                        .expect("a string has room");
                }
            }
        }
        for (line, note) in notes.iter().enumerate() {
            text(10, bottom + 10 + 16 * line, "fill=\"#444\" font-size=\"11\"", note);
        }
        svg + &bars + "</svg>\n"
    }
}

impl Row {
    /// The value, its multiple of the best, and its quartiles in the value's unit.
    fn cell(&self, at: usize, best: Option<f64>) -> String {
        let Some(value) = self.values[at] else { return "–".into() };
        let scale = self.unit.scale(value);
        let ratio = best.map(|best| format!(" ({:.2})", value / best)).unwrap_or_default();
        let quartiles = self.quartiles[at].map(|quartiles| quartiles.map(|value| scale.number(value)).join("–"));
        let quartiles = quartiles.map(|quartiles| format!(" [{quartiles}]")).unwrap_or_default();
        format!("{}{}{ratio}{quartiles}", scale.number(value), scale.suffix())
    }
}

/// How a number is written.
pub struct Scale {
    pub name: &'static str,
    factor: f64,
    decimals: usize,
}

impl Scale {
    pub const MILLISECONDS: Scale = Scale { name: "ms", factor: 1e3, decimals: 2 };
    pub const SECONDS: Scale = Scale { name: "s", factor: 1.0, decimals: 2 };
    pub const KIBIBYTES: Scale = Scale { name: "KiB", factor: 1.0 / 1024.0, decimals: 0 };

    pub fn number(&self, value: f64) -> String {
        format!("{:.*}", self.decimals, value * self.factor)
    }

    fn suffix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" {}", self.name) }
    }
}

impl Unit {
    /// The scale in which a value is easy to read.
    fn scale(&self, value: f64) -> Scale {
        match self {
            Unit::Seconds if value < 0.01 => Scale::MILLISECONDS,
            Unit::Seconds if value < 1.0 => Scale { decimals: 1, ..Scale::MILLISECONDS },
            Unit::Seconds => Scale::SECONDS,
            Unit::Bytes => Scale::KIBIBYTES,
            Unit::Number => Scale { name: "", factor: 1.0, decimals: 0 },
        }
    }
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    quarter(&values, 2)
}

/// The value below which so many quarters of the sorted values are.
fn quarter(sorted: &[f64], quarters: usize) -> Option<f64> {
    sorted.get(sorted.len() * quarters / 4).copied()
}
