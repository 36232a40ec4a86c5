//! All that was measured: as Markdown, a table a group of contenders.

use crate::contender::{Contender, Group};

#[derive(Clone, Copy)]
pub enum Unit {
    Seconds,
    Bytes,
    Number,
}

pub struct Column {
    pub title: String,
    group: Group,
    pub is_rival: bool,
    pub is_ours: bool,
}

pub struct Row {
    pub title: String,
    unit: Unit,
    pub values: Vec<Option<f64>>,
    /// Of times that were measured more than twice: a quarter is below the one, a quarter above the other.
    quartiles: Vec<Option<[f64; 2]>>,
}

pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// How often what was measured.
    pub rounds: Vec<String>,
}

pub const GROUPS: [(Group, &str); 2] = [
    (Group::Waits, "The launcher waits until the daemon is ready"),
    (Group::DoesNotWait, "The launcher exits as soon as it has forked"),
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
        let quartiles = |times: &Vec<f64>| Some([quarter(times, 1)?, quarter(times, 3)?]).filter(|_| times.len() > 2);
        let quartiles = times.iter().map(quartiles).collect();
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

    pub fn of_group(&self, group: Group) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(move |at| self.columns[*at].group == group)
    }

    /// The least of the other Rust crates that wait.
    fn best(&self, row: &Row) -> Option<f64> {
        let rivals = self.of_group(Group::Waits).filter(|at| self.columns[*at].is_rival);
        rivals.filter_map(|at| row.values[at]).min_by(f64::total_cmp)
    }

    /// The median alone.
    pub fn median(&self, title: &str, column: usize) -> String {
        let value = self.rows.iter().find(|row| row.title == title).and_then(|row| Some((row, row.values[column]?)));
        value.map_or("–".into(), |(row, value)| {
            let scale = row.unit.scale(value);
            scale.number(value) + &scale.suffix()
        })
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
pub fn quarter(sorted: &[f64], quarters: usize) -> Option<f64> {
    sorted.get(sorted.len() * quarters / 4).copied()
}
