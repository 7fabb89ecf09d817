//! The speed of typed JSON decoding and encoding, in MB of text a second, for six sets of data. It
//! takes the best of many rounds. Run it with `cargo bench --bench json`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use urpc::json::{FromJson, ToJson, from_slice, to_vec};

/// The duration of one measurement.
const MEASURE: Duration = Duration::from_millis(500);

fn main() {
    println!("{:<28} {:>9} {:>9} {:>9}", "MB/s", "bytes", "decode", "encode");
    row("envelope", &envelope());
    row("arguments with lists", &arguments());
    row("500 process records", &processes());
    row("string, few escapes", &few_escapes());
    row("string, many escapes", &many_escapes());
    row("integers", &integers());
}

fn row<T: FromJson + ToJson + Default>(name: &str, value: &T) {
    let text = to_vec(value).expect("the sets can be encoded");
    let decode = rate(text.len(), || from_slice::<T>(black_box(&text)).is_ok());
    let encode = rate(text.len(), || to_vec(black_box(value)).is_ok());
    println!("{name:<28} {:>9} {decode:>9.0} {encode:>9.0}", text.len());
}

/// MB a second, from the fastest of many rounds.
fn rate(bytes: usize, mut work: impl FnMut() -> bool) -> f64 {
    let repeats = (20_000 / bytes).max(1);
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < MEASURE {
        let round = Instant::now();
        for _ in 0..repeats {
            assert!(black_box(work()));
        }
        best = best.min(round.elapsed());
    }
    (bytes * repeats) as f64 / best.as_secs_f64() / 1e6
}

urpc::record! {
    /// A call with a short argument: 60 bytes.
    #[derive(Default)]
    pub struct Envelope {
        pub method: String,
        pub arg: String,
    }

    /// The argument that starts a program: 2 KiB.
    #[derive(Default)]
    pub struct Arguments {
        pub filename: String,
        pub argv: Vec<String>,
        pub envv: Vec<String>,
        pub working_directory: String => "wd",
        pub kuid: u32 => "KUID",
        pub kgid: u32 => "KGID",
        pub extra_kgids: Vec<u32> => "extraKGIDs",
        pub stdio_is_pty: bool => "StdioIsPty",
        pub container_id: String => "ContainerID",
    }

    /// One of many records: 200 bytes.
    #[derive(Default)]
    pub struct Process {
        pub uid: u32,
        pub pid: i32,
        pub ppid: i32,
        pub threads: Vec<i32>,
        pub cpu: f64 => "c",
        pub tty: String,
        pub start: String => "stime",
        pub time: String,
        pub resident: u64 => "rss",
        pub is_traced: bool => "traced",
        pub command: String => "cmd",
        pub cgroup: Option<String>,
    }
}

pub fn envelope() -> Envelope {
    Envelope { method: "containerManager.Processes".to_owned(), arg: "sandbox-1f3a".to_owned() }
}

pub fn arguments() -> Arguments {
    let mut random = Random(1);
    Arguments {
        filename: "/usr/local/bin/server".to_owned(),
        argv: (0..20).map(|_| random.word(4, 24)).collect(),
        envv: (0..40)
            .map(|_| format!("{}={}", random.word(4, 12).to_uppercase(), random.word(5, 40)))
            .collect(),
        working_directory: "/var/lib/server".to_owned(),
        kuid: 1000,
        kgid: 1000,
        extra_kgids: vec![4, 24, 27, 30, 46, 100, 65534],
        stdio_is_pty: true,
        container_id: "1f3a5b7c9d0e2f4a6b8c0d1e3f5a7b9c1d3e5f7a9b0c2d4e6f8a0b1c3d5e7f9a".to_owned(),
    }
}

pub fn processes() -> Vec<Process> {
    let mut random = Random(2);
    (0..500).map(|_| process(&mut random)).collect()
}

fn process(random: &mut Random) -> Process {
    Process {
        uid: random.below(70_000) as u32,
        pid: random.below(4_000_000) as i32,
        ppid: random.below(40_000) as i32,
        threads: (0..random.below(4)).map(|_| random.below(4_000_000) as i32).collect(),
        cpu: random.below(10_000) as f64 / 100.0,
        tty: "pts/3".to_owned(),
        start: "Nov24".to_owned(),
        time: format!("{:02}:{:02}:{:02}", random.below(24), random.below(60), random.below(60)),
        resident: random.below(1 << 34),
        is_traced: random.below(10) == 0,
        command: format!("/usr/bin/{} --{}", random.word(3, 12), random.word(3, 20)),
        cgroup: (random.below(2) == 0).then(|| format!("/system.slice/{}", random.word(5, 20))),
    }
}

/// 1 MiB of text in lines of about 2,000 characters.
pub fn few_escapes() -> String {
    text(3, |random| if random.below(2000) == 0 { '\n' } else { random.letter() })
}

/// 1 MiB, when written, in which about every sixth character is an escape.
pub fn many_escapes() -> String {
    text(4, |random| match random.below(6) {
        0 => ['"', '\\', '\n', '\t', '\r', '\u{1}'][random.below(6) as usize],
        _ => random.letter(),
    })
}

fn text(seed: u64, mut character: impl FnMut(&mut Random) -> char) -> String {
    let mut random = Random(seed);
    (0..1 << 20).map(|_| character(&mut random)).collect()
}

/// 1 MiB of integers of all sizes.
pub fn integers() -> Vec<i64> {
    let mut random = Random(5);
    (0..100_000).map(|_| random.next() as i64 >> random.below(64)).collect()
}

/// A small deterministic generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = self.0 ^ self.0 >> 33;
        mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ mixed >> 29
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    fn letter(&mut self) -> char {
        char::from(b'a' + self.below(26) as u8)
    }

    fn word(&mut self, shortest: u64, longest: u64) -> String {
        let length = shortest + self.below(longest - shortest);
        (0..length).map(|_| self.letter()).collect()
    }
}
