//! The table: rows from the measuring processes, printed with a verdict each.

use crate::peer::Pinning;
use crate::stats::Compared;

urpc::record! {
    /// One line of the table.
    #[derive(Debug, Clone, Default)]
    pub struct Row {
        pub what: String,
        /// The CPUs of the two sides. Empty if they do not matter.
        pub pinning: String,
        pub unit: String,
        pub ours: f64,
        /// The value of the baseline, if there is one.
        pub baseline: Option<f64>,
        /// The median of the ratios, and their quartiles.
        pub ratio: Option<f64>,
        pub low: Option<f64>,
        pub high: Option<f64>,
        /// The goal as text. Empty if the row is for information.
        pub goal: String,
        /// Whether the goal was reached. `None` if there is none, or none for this pinning.
        pub reached: Option<bool>,
        pub note: String,
    }
}

impl Row {
    /// A value without a verdict.
    pub fn new(what: impl Into<String>, ours: f64, unit: &str) -> Row {
        Row { what: what.into(), ours, unit: unit.to_owned(), ..Row::default() }
    }

    pub fn pinned(self, pinning: Pinning) -> Row {
        Row { pinning: pinning.name().to_owned(), ..self }
    }

    pub fn compared(self, compared: Compared) -> Row {
        let Compared { ours, baseline, ratio, low, high } = compared;
        let (low, high) = (Some(low), Some(high));
        Row { ours, baseline: Some(baseline), ratio: Some(ratio), low, high, ..self }
    }

    /// The goal for the ratio, or for our value if there is no ratio.
    pub fn at_most(self, goal: f64) -> Row {
        let reached = self.ratio.unwrap_or(self.ours) <= goal;
        Row { goal: format!("<= {goal}"), reached: Some(reached), ..self }
    }

    pub fn at_least(self, goal: f64) -> Row {
        let reached = self.ratio.unwrap_or(self.ours) >= goal;
        Row { goal: format!(">= {goal}"), reached: Some(reached), ..self }
    }

    pub fn note(self, note: impl Into<String>) -> Row {
        Row { note: note.into(), ..self }
    }

    /// Sends it to the process that prints the table.
    pub fn emit(&self) {
        println!("{}", urpc::json::to_string(self).expect("figures are finite"));
    }
}

/// All rows in the order in which they came.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a line that a measuring process printed.
    pub fn add_line(&mut self, line: &str) {
        self.rows.push(urpc::json::from_str(line).expect("measuring processes print rows"));
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", urpc::json::to_string(&self.rows).expect("figures are finite"));
            return;
        }
        println!(
            "{:<44} {:<5} {:>12} {:>10} {:>7} {:>13}  {:<8} {:<7} note",
            "what", "CPUs", "ours", "baseline", "ratio", "quartiles", "goal", "verdict"
        );
        self.rows.iter().for_each(Row::print);
        let missed = self.rows.iter().filter(|row| row.reached == Some(false)).count();
        println!("{} rows, {missed} goals missed", self.rows.len());
        println!("JSON against its own rivals: cargo bench --bench json");
    }
}

impl Row {
    fn print(&self) {
        let quartiles = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{low:.3}-{high:.3}"),
            _ => "-".to_owned(),
        };
        let verdict = match self.reached {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        };
        println!(
            "{:<44} {:<5} {:>12} {:>10} {:>7} {:>13}  {:<8} {:<7} {}",
            self.what,
            self.pinning,
            format!("{} {}", figure(self.ours), self.unit),
            self.baseline.map_or("-".to_owned(), figure),
            self.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            quartiles,
            self.goal,
            verdict,
            self.note,
        );
    }
}

fn figure(figure: f64) -> String {
    if figure.abs() < 10.0 { format!("{figure:.2}") } else { format!("{figure:.1}") }
}
