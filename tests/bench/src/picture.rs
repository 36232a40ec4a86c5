//! What a reader asks first, as a drawing: a line a contender, a column a question. A column has one unit and one scale,
//! which begins at 0, so that two bars compare as their numbers do.

use std::fmt::Write;

use crate::contender::Group;
use crate::table::{GROUPS, Row, Scale, Table};

/// A column: the question, the row that answers, and how its numbers are written.
const QUESTIONS: [([&str; 2], &str, Scale); 4] = [
    (["my shell", "is back after"], "launcher back, 10 of 1024 descriptors", Scale::MILLISECONDS),
    (["my code", "runs after"], "body runs, 10 of 1024 descriptors", Scale::MILLISECONDS),
    (["it adds to a cold", "debug build"], "cold debug build over the empty program", Scale::SECONDS),
    (["it adds to the", "stripped program"], "stripped program over the empty program", Scale::KIBIBYTES),
];

const TOP: usize = 66;
const LINE: usize = 22;
/// The width of the names; of a column; in it of the number, whose end is aligned; of the longest bar, and of
/// one that is cut.
const NAMES: usize = 270;
const CELL: usize = 200;
const NUMBER: usize = 50;
const BAR: usize = 110;
const CUT: usize = 125;

struct Answer<'a> {
    question: [&'static str; 2],
    scale: Scale,
    row: &'a Row,
    /// The value of the longest bar: the largest of a Rust crate. A bar that would be longer is cut.
    most: f64,
}

pub fn draw(table: &Table, notes: &[String]) -> String {
    let answers: Vec<_> = QUESTIONS.into_iter().filter_map(|question| Answer::find(table, question)).collect();
    let bottom = TOP + LINE * (table.columns.len() + GROUPS.len()) + 10;
    let longest = notes.iter().map(|note| note.chars().count()).max().unwrap_or_default();
    // A character of a note takes six and a half at most.
    let (width, height) = ((NAMES + CELL * answers.len()).max(20 + longest * 13 / 2), bottom + 16 * notes.len() + 10);
    let mut svg = Svg::new(width, height);
    for (at, answer) in answers.iter().enumerate() {
        let unit = format!("in {}", answer.scale.name);
        for (line, words) in answer.question.iter().chain([&&*unit]).enumerate() {
            svg.text(NAMES + CELL * at, 20 + 16 * line, "font-weight=\"bold\"", words);
        }
    }
    let mut y = TOP;
    for (group, title) in [(Group::Floor, "")].into_iter().chain(GROUPS) {
        if !title.is_empty() {
            y += LINE;
            svg.text(10, y, "fill=\"#444\" font-style=\"italic\"", title);
        }
        for column in table.of_group(group) {
            y += LINE;
            svg.line(y, table, column, &answers);
        }
    }
    for (line, note) in notes.iter().enumerate() {
        svg.text(10, bottom + 10 + 16 * line, "fill=\"#444\" font-size=\"11\"", note);
    }
    svg.0 + "</svg>\n"
}

impl<'a> Answer<'a> {
    /// None, if that was not measured.
    fn find(table: &'a Table, (question, title, scale): ([&'static str; 2], &str, Scale)) -> Option<Answer<'a>> {
        let row = table.rows.iter().find(|row| row.title == title)?;
        let crates = table.columns.iter().zip(&row.values).filter(|(column, _)| column.is_rival || column.is_ours);
        let most = crates.filter_map(|(_, value)| *value).max_by(f64::total_cmp)?;
        Some(Answer { question, scale, row, most })
    }
}

struct Svg(String);

impl Svg {
    fn new(width: usize, height: usize) -> Svg {
        Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        ))
    }

    fn text(&mut self, x: usize, y: usize, style: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(self.0, "<text x=\"{x}\" y=\"{y}\" {style}>{text}</text>").expect("a string has room");
    }

    /// A contender's name, numbers and bars.
    fn line(&mut self, y: usize, table: &Table, column: usize, answers: &[Answer]) {
        let is_ours = table.columns[column].is_ours;
        let (style, fill) =
            if is_ours { ("font-weight=\"bold\"", "#c2410c") } else { ("font-weight=\"normal\"", "#94a3b8") };
        self.text(20, y, style, &table.columns[column].title);
        for (at, answer) in answers.iter().enumerate() {
            let Some(value) = answer.row.values[column] else { continue };
            let x = NAMES + CELL * at;
            self.text(x + NUMBER, y, &format!("{style} text-anchor=\"end\""), &answer.scale.number(value));
            self.bar(x + NUMBER + 10, y - 10, value / answer.most, fill);
        }
    }

    /// A bar. One that would leave its column ends a little beyond the longest, and is cut by two white strokes.
    fn bar(&mut self, x: usize, y: usize, part: f64, fill: &str) {
        let length = if part > 1.0 { CUT as f64 } else { part.max(0.0) * BAR as f64 };
        writeln!(self.0, "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"10\" fill=\"{fill}\"/>")
            .expect("a string has room");
        if part > 1.0 {
            let (from, below) = (x + CUT - 22, y + 11);
            let stroke = "stroke=\"#fff\" stroke-width=\"3\"";
            writeln!(self.0, "<path d=\"M{from} {below}l6 -12m4 0l-6 12\" {stroke}/>").expect("a string has room");
        }
    }
}
