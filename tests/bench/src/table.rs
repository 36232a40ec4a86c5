//! The one table: a column a contender, a row a measure; as text and as a drawing.

use std::fmt::Write;

use crate::contender::Contender;

pub enum Unit {
    Seconds,
    Bytes,
    Number,
}

struct Column {
    title: Vec<String>,
    is_rival: bool,
    is_ours: bool,
}

struct Row {
    title: String,
    unit: Unit,
    values: Vec<Option<f64>>,
}

pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(contenders: &[Contender]) -> Table {
        let column = |contender: &Contender| {
            let mut title = contender.title();
            if contender.waits {
                title[0].push('*');
            }
            Column { is_ours: title[0].starts_with('#'), is_rival: contender.is_rival(), title }
        };
        Table { columns: contenders.iter().map(column).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, title: impl Into<String>, unit: Unit, values: Vec<Option<f64>>) {
        self.rows.push(Row { title: title.into(), unit, values });
    }

    /// The shortest time of the other Rust crates.
    fn best(&self, row: &Row) -> Option<f64> {
        if !matches!(row.unit, Unit::Seconds) {
            return None;
        }
        let rivals = row.values.iter().zip(&self.columns).filter(|(_, column)| column.is_rival);
        rivals.filter_map(|(value, _)| *value).min_by(f64::total_cmp)
    }

    pub fn text(&self) -> String {
        let mut lines = vec![vec![String::new()], vec!["---".into()]];
        lines[0].extend(self.columns.iter().map(|column| column.title.join(" ")));
        lines[1].extend(self.columns.iter().map(|_| "--:".into()));
        for row in &self.rows {
            let cell = |value: &Option<f64>| match (value, self.best(row)) {
                (None, _) => "–".into(),
                (Some(value), None) => row.unit.show(*value),
                (Some(value), Some(best)) => {
                    format!("{} ({:.2})", row.unit.show(*value), value / best)
                }
            };
            lines.push([row.title.clone()].into_iter().chain(row.values.iter().map(cell)).collect());
        }
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate();
            let padded = cells.map(|(at, (cell, &width))| match at {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(text, "| {} |", padded.collect::<Vec<_>>().join(" | ")).expect("a string takes all");
        }
        text
    }

    pub fn svg(&self, notes: &[String]) -> String {
        const LABEL: usize = 330;
        const CELL: usize = 110;
        const HEIGHT: usize = 38;
        /// A bar of full length; what is longer is cut off.
        const FULL: f64 = 3.0;
        let top = 60;
        let (width, bottom) = (LABEL + CELL * self.columns.len() + 20, top + HEIGHT * self.rows.len());
        let height = bottom + 20 * (notes.len() + 1) + 20;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        let mut text = |x: usize, y: usize, style: &str, text: &str| {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{text}</text>").expect("a string takes all");
        };
        for (at, column) in self.columns.iter().enumerate() {
            let weight = if column.is_ours { "font-weight=\"bold\"" } else { "" };
            for (line, title) in column.title.iter().enumerate() {
                text(LABEL + CELL * at + 4, 25 + 17 * line, weight, title);
            }
        }
        for (line, row) in self.rows.iter().enumerate() {
            let y = top + HEIGHT * line;
            text(10, y + 16, "", &row.title);
            for (at, value) in row.values.iter().enumerate() {
                let x = LABEL + CELL * at + 4;
                let Some(value) = value else { continue };
                text(x, y + 16, "", &row.unit.show(*value));
                if let Some(best) = self.best(row) {
                    text(x + 66, y + 16, "font-size=\"11\" fill=\"#666\"", &format!("{:.2}", value / best));
                }
            }
        }
        for (line, note) in notes.iter().enumerate() {
            text(10, bottom + 30 + 20 * line, "fill=\"#444\"", note);
        }
        let legend = format!("A bar that fills its column is {FULL} times the best of the other Rust crates, or more.");
        text(10, bottom + 30 + 20 * notes.len(), "fill=\"#444\"", &legend);
        for (line, row) in self.rows.iter().enumerate() {
            let Some(best) = self.best(row) else { continue };
            for (at, value) in row.values.iter().enumerate() {
                let share = (value.unwrap_or(0.0) / best / FULL).clamp(0.0, 1.0);
                let (x, y, length) = (LABEL + CELL * at + 4, top + HEIGHT * line + 22, share * (CELL - 12) as f64);
                let fill = if self.columns[at].is_ours { "#c2410c" } else { "#94a3b8" };
                writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"6\" fill=\"{fill}\"/>")
                    .expect("a string takes all");
            }
        }
        svg + "</svg>\n"
    }
}

impl Unit {
    fn show(&self, value: f64) -> String {
        match self {
            Unit::Seconds if value < 0.01 => format!("{:.0} µs", value * 1e6),
            Unit::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Bytes => format!("{:.0} KiB", value / 1024.0),
            Unit::Number => format!("{value:.0}"),
        }
    }
}
