//! The sets of data for `json.rs`. Each is made by a small generator with a fixed seed.

use std::collections::HashMap;

use urpc::json::{Bytes, to_vec};

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

    /// Four of the members of [`Process`].
    #[derive(Default)]
    pub struct Seen {
        pub pid: i32,
        pub tty: String,
        pub resident: u64 => "rss",
        pub command: String => "cmd",
    }

    /// Members that are mostly missing.
    #[derive(Default)]
    pub struct Sparse {
        pub name: String,
        pub user: Option<String>,
        pub group: Option<String>,
        pub priority: Option<i32>,
        pub limit: Option<u64>,
        pub share: Option<f64>,
        pub is_pinned: Option<bool>,
        pub labels: Option<Vec<String>>,
        pub parent: Option<u32>,
        pub note: Option<String>,
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

/// The same records, the members of each in another order.
pub fn shuffled() -> Vec<u8> {
    let mut random = Random(6);
    let records = processes().into_iter().map(|process| {
        let text = String::from_utf8(to_vec(&process).expect("a record")).expect("text");
        // No string in it has a comma, and only `threads` is a list.
        let (before, rest) =
            text.trim_matches(['{', '}']).split_once("\"threads\":[").expect("it has");
        let (threads, after) = rest.split_once(']').expect("its end");
        let threads = format!("\"threads\":[{threads}]");
        let others = before.split(',').chain(after.split(',')).filter(|member| !member.is_empty());
        let mut members: Vec<&str> = others.chain([threads.as_str()]).collect();
        for place in 1..members.len() {
            members.swap(place, random.below(place as u64 + 1) as usize);
        }
        format!("{{{}}}", members.join(","))
    });
    format!("[{}]", records.collect::<Vec<_>>().join(",")).into_bytes()
}

/// Floats that need all 17 digits.
pub fn long_floats() -> Vec<f64> {
    let mut random = Random(7);
    (0..50_000).map(|_| (random.next() >> 11) as f64 / (1u64 << random.below(60)) as f64).collect()
}

/// Floats of five to nine digits, six of them after the point.
pub fn short_floats() -> Vec<f64> {
    let mut random = Random(8);
    (0..50_000).map(|_| random.below(360_000_000) as f64 / 1e6).collect()
}

/// 1 MiB of letters of two bytes.
pub fn cyrillic() -> String {
    text(9, |random| letter_of(random, 'а', 32)).chars().take(1 << 19).collect()
}

/// 1 MiB of characters of three bytes.
pub fn chinese() -> String {
    text(10, |random| letter_of(random, '一', 20_000)).chars().take(350_000).collect()
}

/// A text as many short strings.
pub fn pieces(text: &str) -> Vec<String> {
    let (mut random, mut letters, mut pieces) = (Random(11), text.chars(), Vec::new());
    loop {
        let piece: String = letters.by_ref().take(4 + random.below(20) as usize).collect();
        if piece.is_empty() {
            return pieces;
        }
        pieces.push(piece);
    }
}

/// The JSON of strings, each letter an escape.
pub fn unicode_escapes(pieces: &[String]) -> Vec<u8> {
    let escaped = pieces.iter().map(|piece| {
        let letters = piece.chars().map(|letter| format!("\\u{:04x}", letter as u32));
        format!("\"{}\"", letters.collect::<String>())
    });
    format!("[{}]", escaped.collect::<Vec<_>>().join(",")).into_bytes()
}

pub fn map() -> HashMap<String, u64> {
    let mut random = Random(12);
    (0..10_000).map(|_| (random.word(6, 20), random.below(1 << 30))).collect()
}

/// 768 KiB.
pub fn bytes() -> Bytes {
    let mut random = Random(13);
    (0..3 << 18).map(|_| random.next() as u8).collect::<Vec<u8>>().into()
}

pub fn booleans() -> Vec<Option<bool>> {
    let mut random = Random(14);
    (0..100_000).map(|_| [Some(true), Some(false), None][random.below(3) as usize]).collect()
}

pub fn sparse() -> Vec<Sparse> {
    let mut random = Random(15);
    let mut one = || {
        let mut sparse = Sparse { name: random.word(4, 12), ..Sparse::default() };
        match random.below(5) {
            0 => sparse.user = Some(random.word(4, 12)),
            1 => sparse.priority = Some(random.below(100) as i32),
            2 => sparse.is_pinned = Some(true),
            3 => sparse.labels = Some(vec![random.word(4, 8)]),
            _ => {}
        }
        sparse
    };
    (0..2_000).map(|_| one()).collect()
}

fn letter_of(random: &mut Random, first: char, letters: u64) -> char {
    char::from_u32(first as u32 + random.below(letters) as u32).unwrap_or(first)
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
