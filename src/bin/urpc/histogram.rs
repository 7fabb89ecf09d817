//! Times, counted in buckets. A bucket is at most a 64th of its value wide.

use std::time::Duration;

use urpc::json::Number;

const BITS: u32 = 6;
const PER_OCTAVE: usize = 1 << BITS;

pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { buckets: vec![0; bucket(u64::MAX) + 1], count: 0, longest: 0 }
    }

    pub fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub fn add(&mut self, other: &Histogram) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The time in nanoseconds that `percent` of all do not exceed.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, |bucket| start_of(bucket + 1).saturating_sub(1).min(self.longest))
    }

    /// The counts in at most `most` rows of equal width on a logarithmic scale: where each begins,
    /// and its count. The last row, above the 99th percentile, has no end. Otherwise a few outliers
    /// would make all rows too wide.
    pub fn rows(&self, most: usize) -> Vec<(u64, u64)> {
        let Some(first) = self.buckets.iter().position(|count| *count > 0) else {
            return Vec::new();
        };
        let last = bucket(self.percentile(99));
        let mut width = PER_OCTAVE / 16;
        while (last / width) - (first / width) + 2 > most {
            width *= 2;
        }
        let sum = |buckets: &[u64]| buckets.iter().sum::<u64>();
        let mut rows: Vec<_> = (first / width..=last / width)
            .map(|row| {
                let end = ((row + 1) * width).min(self.buckets.len());
                (start_of(row * width), sum(&self.buckets[row * width..end]))
            })
            .collect();
        let rest = ((last / width + 1) * width).min(self.buckets.len());
        rows.push((start_of(rest), sum(&self.buckets[rest..])));
        rows
    }
}

/// The first octaves have a bucket for each number.
fn bucket(value: u64) -> usize {
    let shift = (63 - (value | 1).leading_zeros()).saturating_sub(BITS);
    let within = usize::try_from(value >> shift).unwrap_or(0);
    shift as usize * PER_OCTAVE + within
}

/// The smallest value in a bucket.
fn start_of(bucket: usize) -> u64 {
    let shift = (bucket / PER_OCTAVE).saturating_sub(1);
    let within = (bucket - shift * PER_OCTAVE) as u64;
    within.checked_shl(shift as u32).filter(|value| value >> shift == within).unwrap_or(u64::MAX)
}

/// A time in JSON, without floating-point numbers, whose code is large.
pub fn seconds(time: Duration) -> Number {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos()).parse().unwrap_or_default()
}

/// About three digits and a unit.
pub fn duration(nanoseconds: u64) -> String {
    let (unit, name) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let tenths = nanoseconds / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_without_gaps_and_narrow() {
        for bucket_number in 0..bucket(u64::MAX) {
            let (start, next) = (start_of(bucket_number), start_of(bucket_number + 1));
            assert_eq!(bucket(start), bucket_number);
            assert_eq!(bucket(next - 1), bucket_number);
            assert!((next - start) * 64 <= start.max(64), "{start}");
        }
        assert_eq!(start_of(bucket(u64::MAX) + 1), u64::MAX);
    }

    #[test]
    fn percentiles_are_near_the_true_ones() {
        let mut histogram = Histogram::new();
        for microseconds in 1..=1000 {
            histogram.record(Duration::from_micros(microseconds));
        }
        for (percent, expected) in [(50, 500_000), (90, 900_000), (99, 990_000), (100, 1_000_000)] {
            let found = histogram.percentile(percent);
            assert!(found >= expected && found <= expected + expected / 60, "{percent}: {found}");
        }
        assert_eq!(Histogram::new().percentile(50), 0);
    }

    #[test]
    fn rows_hold_every_count_and_are_few() {
        let mut histogram = Histogram::new();
        for exponent in 0..40 {
            histogram.record(Duration::from_nanos(1 << exponent));
        }
        let rows = histogram.rows(20);
        assert!(rows.len() <= 20);
        assert_eq!(rows.iter().map(|(_, count)| count).sum::<u64>(), 40);
        assert!(Histogram::new().rows(20).is_empty());
    }

    fn of(nanoseconds: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        nanoseconds.iter().for_each(|time| histogram.record(Duration::from_nanos(*time)));
        histogram
    }

    #[test]
    fn a_percentile_is_the_least_time_that_so_many_do_not_exceed() {
        let mut histogram = of(&[10, 20]);
        histogram.add(&of(&[30, 40]));
        assert_eq!((histogram.count(), histogram.longest()), (4, 40));
        let found = [0, 25, 26, 50, 75, 76, 100].map(|percent| histogram.percentile(percent));
        assert_eq!(found, [10, 10, 20, 20, 30, 40, 40]);
        // Of a bucket for several times the end, but not beyond the longest.
        assert_eq!(of(&[1000, 2000]).percentile(50), 1007);
        assert_eq!(of(&[1000, 1001]).percentile(50), 1001);
        let mut longest = of(&[5]);
        longest.add(&of(&[3]));
        assert_eq!(longest.longest(), 5);
    }

    #[test]
    fn rows_are_as_narrow_as_their_number_allows_and_the_last_has_no_end() {
        let histogram = of(&[&[100; 50][..], &[110; 49], &[9000]].concat());
        assert_eq!(histogram.rows(20), [(100, 50), (104, 0), (108, 49), (112, 1)][..]);
        assert_eq!(histogram.rows(4), [(100, 50), (104, 0), (108, 49), (112, 1)][..]);
        assert_eq!(histogram.rows(3), [(96, 50), (104, 49), (112, 1)][..]);
        assert_eq!(histogram.rows(2), [(96, 99), (112, 1)][..]);
        let longest = of(&[u64::MAX]);
        assert_eq!(longest.rows(2), [(start_of(bucket(u64::MAX) / 4 * 4), 1), (u64::MAX, 0)][..]);
    }

    #[test]
    fn times_are_written_with_three_digits_or_so_and_a_unit() {
        let written = [0, 999, 1000, 10_250, 999_999, 1_000_000, 999_999_999, 61_234_000_000];
        let expected = ["0 ns", "999 ns", "1.0 us", "10.2 us", "999.9 us", "1.0 ms", "999.9 ms"];
        let [written @ .., last] = written.map(duration);
        assert_eq!((written.each_ref().map(String::as_str), &*last), (expected, "61.2 s"));
        assert_eq!(seconds(Duration::from_millis(12_034)).to_string(), "12.034000000");
    }
}
