//! The table: rows as they come from the measuring processes, printed with a verdict each.

urpc::record! {
    /// One line of the table.
    #[derive(Debug, Clone, Default)]
    pub struct Row {
        pub what: String,
        /// Where the two sides ran; empty where that does not matter.
        pub pinning: String,
        pub unit: String,
        pub ours: f64,
        /// What it is compared with, if anything.
        pub floor: Option<f64>,
        /// Median of the ratios, and their quartiles.
        pub ratio: Option<f64>,
        pub low: Option<f64>,
        pub high: Option<f64>,
        /// What is to be reached, in words; empty where the row is for information.
        pub goal: String,
        /// Whether it was reached; nothing where there is no goal, or none for this pinning.
        pub reached: Option<bool>,
        pub note: String,
    }
}

/// All rows in the order in which they came.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Takes a line that a measuring process printed.
    pub fn add_line(&mut self, line: &str) {
        self.rows.push(urpc::json::from_str(line).expect("measuring processes print rows"));
    }

    pub fn print(&self, json: bool) {
        if json {
            println!("{}", urpc::json::to_string(&self.rows).expect("figures are finite"));
            return;
        }
        println!(
            "{:<40} {:<5} {:>10} {:>10} {:>7} {:>13}  {:<10} {:<7} note",
            "what", "CPUs", "ours", "floor", "ratio", "quartiles", "goal", "verdict"
        );
        self.rows.iter().for_each(Row::print);
        let missed = self.rows.iter().filter(|row| row.reached == Some(false)).count();
        println!("{} rows, {missed} goals missed", self.rows.len());
    }
}

impl Row {
    fn print(&self) {
        let optional = |figure: Option<f64>, digits| match figure {
            Some(figure) => format!("{figure:.digits$}"),
            None => "-".to_owned(),
        };
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
            "{:<40} {:<5} {:>10} {:>10} {:>7} {:>13}  {:<10} {:<7} {}",
            self.what,
            self.pinning,
            format!("{:.1} {}", self.ours, self.unit),
            optional(self.floor, 1),
            optional(self.ratio, 3),
            quartiles,
            self.goal,
            verdict,
            self.note,
        );
    }
}
