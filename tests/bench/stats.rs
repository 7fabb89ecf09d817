//! Medians and spreads, and measuring in turns, which makes two things comparable.

use std::time::{Duration, Instant};

/// Two things that were measured in turns: their medians, and the median and quartiles of the
/// ratios of each round. Times are in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compared {
    pub ours: f64,
    pub baseline: f64,
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
}

impl Compared {
    /// From one pair of times a round.
    pub fn from_rounds(rounds: &[(f64, f64)]) -> Compared {
        let ratios: Vec<f64> = rounds.iter().map(|(baseline, ours)| ours / baseline).collect();
        Compared {
            baseline: quantile(rounds.iter().map(|round| round.0), 0.5),
            ours: quantile(rounds.iter().map(|round| round.1), 0.5),
            ratio: quantile(ratios.iter().copied(), 0.5),
            low: quantile(ratios.iter().copied(), 0.25),
            high: quantile(ratios.iter().copied(), 0.75),
        }
    }
}

/// Runs `baseline` and `ours` in turns, `block` times each a round. The first round only warms up.
pub fn compare(
    rounds: usize,
    block: usize,
    mut baseline: impl FnMut(),
    mut ours: impl FnMut(),
) -> Compared {
    let pairs: Vec<_> = (0..=rounds)
        .map(|round| {
            // The order alternates, so that a drift favours neither.
            if round % 2 == 0 {
                let baseline = median_time(block, &mut baseline);
                (baseline, median_time(block, &mut ours))
            } else {
                let ours = median_time(block, &mut ours);
                (median_time(block, &mut baseline), ours)
            }
        })
        .collect();
    Compared::from_rounds(&pairs[1..])
}

/// The median time of `count` repeats, in microseconds.
pub fn median_time(count: usize, mut work: impl FnMut()) -> f64 {
    let mut last = Instant::now();
    let times: Vec<f64> = (0..count)
        .map(|_| {
            work();
            let now = Instant::now();
            let time = micros(now - last);
            last = now;
            time
        })
        .collect();
    quantile(times, 0.5)
}

pub fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// The value below which the part `at` of all values lies.
pub fn quantile(values: impl IntoIterator<Item = f64>, at: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let index = (values.len().saturating_sub(1) as f64 * at).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}
