//! The completions, as bash, zsh and fish offer them to who types.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::run::{Ran, command, urpc};
use crate::support::limit::limit_test;
use crate::support::{Scratch, available};

/// A directory with a socket, a file, a directory, and a state of runsc.
struct Place {
    scratch: Scratch,
    _socket: UnixListener,
}

impl Place {
    fn new(name: &str) -> Place {
        let scratch = Scratch::new(name);
        let socket = UnixListener::bind(scratch.path("server.sock")).unwrap();
        fs::write(scratch.path("server.txt"), "").unwrap();
        fs::create_dir_all(scratch.path("deep/runsc")).unwrap();
        for id in ["web-1", "db-1"] {
            fs::write(scratch.path(&format!("deep/runsc/{id}_sandbox:pod.state")), "").unwrap();
        }
        fs::create_dir(scratch.path("bin")).unwrap();
        fs::create_dir(scratch.path("evil;x y")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_urpc"), scratch.path("bin/urpc")).unwrap();
        Place { scratch, _socket: socket }
    }

    /// A command that runs there, finds this program by its name, and the state by default.
    fn command(&self, program: &str) -> Command {
        limit_test();
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.scratch.path("bin").display()));
        command
            .env("XDG_RUNTIME_DIR", self.scratch.path("deep"))
            .env("HOME", self.scratch.path(""));
        command.env("TERM", "dumb").current_dir(self.scratch.path("")).stdin(Stdio::null());
        command
    }
}

/// What is typed before the tabulator, and the line after it.
const LINES: &[(&str, &str)] = &[
    ("urpc ca", "urpc call "),
    ("urpc help met", "urpc help methods "),
    ("urpc call --pipe-o", "urpc call --pipe-out "),
    ("urpc exec --cw", "urpc exec --cwd "),
    ("urpc call --timeout 5 --timeou", "urpc call --timeout 5 --timeou"), // given already
    ("urpc completion z", "urpc completion zsh "),
    ("urpc call s", "urpc call server.sock "),
    ("urpc call ./s", "urpc call ./server.sock "),
    ("urpc call d", "urpc call deep/"),
    ("urpc call runsc:w", "urpc call runsc:web-1 "),
    ("urpc exec runsc:d", "urpc exec runsc:db-1 "),
    ("urpc exec --root nowhere runsc:d", "urpc exec --root nowhere runsc:d"),
    ("urpc serve runsc:w", "urpc serve runsc:w"),
    ("urpc trace --to runsc:w", "urpc trace --to runsc:web-1 "),
    ("urpc trace --to=runsc:w", "urpc trace --to=runsc:web-1 "),
    ("urpc trace --listen=ser", "urpc trace --listen=server.sock "),
    (
        "urpc call -r server.sock containerManager.Proce",
        "urpc call -r server.sock containerManager.Processes ",
    ),
    ("urpc methods debug", "urpc methods debug.Stacks "),
    ("urpc methods ser", "urpc methods server.sock "),
    ("urpc call server.sock Fs.Cat @server.t", "urpc call server.sock Fs.Cat @server.txt "),
    ("urpc call server.sock Fs.Cat @dee", "urpc call server.sock Fs.Cat @deep/"),
    (
        "urpc call server.sock Fs.Cat a=b log@server.t",
        "urpc call server.sock Fs.Cat a=b log@server.txt ",
    ),
    ("urpc call server.sock Fs.Cat a=server.t", "urpc call server.sock Fs.Cat a=server.t"),
    // A file is not offered for a value of another kind.
    ("urpc call server.sock Fs.Cat server.t", "urpc call server.sock Fs.Cat server.t"),
    ("urpc call --timeout serve", "urpc call --timeout serve"),
    ("urpc demo serv", "urpc demo serv"),
    ("urpc exec runsc:web-1 serv", "urpc exec runsc:web-1 serv"),
    ("urpc call --file server.t", "urpc call --file server.txt "),
    ("urpc call --file=server.t", "urpc call --file=server.txt "),
    ("urpc call -f server.t", "urpc call -f server.txt "),
    ("urpc call --save dee", "urpc call --save deep/"),
    ("urpc call server.sock A.B --exec mkfif", "urpc call server.sock A.B --exec mkfifo "),
];

/// Names that a shell would not take for one word, or would obey. Anybody may make them in /tmp.
const ODD_LINES: &[(&str, &str)] = &[
    ("urpc call e", r"urpc call evil\;x\ y/"),
    ("urpc call server.sock A.B log@e", r"urpc call server.sock A.B log@evil\;x\ y/"),
    ("urpc call --file e", r"urpc call --file evil\;x\ y/"),
];

/// The lines as an interactive shell completes them. Its setup makes Ctrl-T append the line to the
/// file `lines` and clear it.
fn completed_by(place: &Place, shell: &str, setup: &str) -> Option<Vec<String>> {
    if !available::or_skip(shell, available::program(shell)) || !available::terminal() {
        return None;
    }
    let setup = format!("{}\n{setup}\n", urpc(&["completion", shell]).success());
    fs::write(place.scratch.path(".zshrc"), setup).unwrap();
    let line = match shell {
        "bash" => "exec bash --rcfile .zshrc -i",
        _ => "exec zsh -i",
    };
    let mut command = place.command("script");
    command.args(["-q", "-c", line, "/dev/null"]).env("ZDOTDIR", place.scratch.path(""));
    command.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Before it is ready, the terminal would act on what is typed.
    let mut shown = Vec::new();
    while !shown.ends_with(b"READY> ") {
        let mut byte = [0];
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
    }
    for (typed, _) in LINES.iter().chain(ODD_LINES) {
        keyboard.write_all(format!("{typed}\t\x14").as_bytes()).unwrap();
    }
    keyboard.write_all(b"exit\r").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    let lines = fs::read_to_string(place.scratch.path("lines"))
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&shown)));
    Some(lines.lines().map(str::to_owned).collect())
}

fn assert_completed(lines: Vec<String>) {
    let both = LINES.iter().chain(ODD_LINES);
    let expected: Vec<&str> = both.map(|(_, completed)| *completed).collect();
    assert_eq!(lines, expected);
}

#[test]
fn bash_completes_each_kind_of_word() {
    let place = Place::new("completion-bash");
    let setup = r#"
        show() { printf '%s\n' "$READLINE_LINE" >>lines; READLINE_LINE=; READLINE_POINT=0; }
        bind -x '"\C-t": show'; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
        PS1='READY> '"#;
    completed_by(&place, "bash", setup).into_iter().for_each(assert_completed);
}

#[test]
fn zsh_completes_each_kind_of_word() {
    let place = Place::new("completion-zsh");
    let setup = r#"
        show() { print -r -- "$BUFFER" >>lines; BUFFER=; }
        zle -N show; bindkey '^T' show; setopt no_beep no_auto_list no_auto_menu
        PROMPT='READY> '"#;
    let setup = format!("autoload -Uz compinit; compinit -u -D\nsource completion\n{setup}");
    fs::write(place.scratch.path("completion"), urpc(&["completion", "zsh"]).success()).unwrap();
    completed_by(&place, "zsh", &setup).into_iter().for_each(assert_completed);
}

#[test]
fn fish_completes_each_kind_of_word() {
    if !available::or_skip("fish", available::program("fish")) {
        return;
    }
    let place = Place::new("completion-fish");
    let script = urpc(&["completion", "fish"]).success();
    for (typed, completed) in LINES {
        let mut fish = place.command("fish");
        fish.args(["--no-config", "-c", &format!("{script}\ncomplete -C '{typed}'")]);
        let ran = Ran::from(fish.output().unwrap());
        let offered: Vec<&str> =
            ran.out.lines().map(|line| line.split('\t').next().unwrap()).collect();
        let word = completed.trim_end().rsplit(' ').next().unwrap();
        let expected: &[&str] = if typed == completed { &[] } else { &[word] };
        assert_eq!(offered, expected, "{typed}: {}", ran.err);
    }
}

#[test]
fn each_completion_explains_what_it_offers() {
    let of_words = |words: &[&str]| urpc(&[&["_complete"], words].concat()).success();
    let commands = of_words(&[""]);
    assert!(commands.starts_with("none\t\n") && commands.contains("\ncall\tcall a method"));
    let options = of_words(&["exec", "--"]);
    assert!(options.contains("\n--cwd\twhere the program starts"), "{options}");
    // A line that is wrong already is not completed.
    assert_eq!(of_words(&["call", "--no-such", ""]), "none\t\n");
    assert_eq!(of_words(&["no-such", ""]), "none\t\n");
    assert!(of_words(&["call", "/"]).contains("\n/tmp/\t"));
}

#[test]
fn only_what_can_stand_there_is_offered() {
    let scratch = Scratch::new("completion-offered");
    for name in [".hidden", "shown"] {
        fs::create_dir(scratch.path(name)).unwrap();
    }
    let _socket = urpc::Listener::bind(scratch.path("socket")).unwrap();
    let of_words = |words: &[&str]| {
        let mut complete = command(&[&["_complete"], words].concat());
        let ran: Ran = complete.current_dir(scratch.path("")).output().unwrap().into();
        let answer = ran.success();
        let mut lines: Vec<_> = answer.lines().map(str::to_owned).collect();
        lines[1..].sort();
        lines.join("|")
    };
    assert_eq!(of_words(&["call", "--root=none", ""]), "none\t|shown/\t|socket\t");
    assert_eq!(of_words(&["call", "--root=none", "."]), "none\t|.hidden/\t");
    // An operand without a choice has a name in the synopsis, which is nothing to type.
    assert_eq!(of_words(&["exec", "runsc:x", ""]), "none\t");
    assert_eq!(of_words(&["completion", ""]), "none\t|bash\t|fish\t|zsh\t");
    assert_eq!(of_words(&["completion", "bash", ""]), "none\t");
    // An option that takes a value takes the next word, by its short name as well.
    assert_eq!(of_words(&["call", "-f", ""]), "files\t");
    assert_eq!(of_words(&["call", "-r", "--root=none", "s"]), "none\t|shown/\t|socket\t");
    // A file that was given once may be given again, a time may not.
    assert_eq!(of_words(&["call", "--timeout=5", "--time"]), "none\t");
    assert!(of_words(&["call", "--file=a", "--fil"]).starts_with("none\t|--file\t"));
    assert_eq!(of_words(&["call", "--file=a@b"]), "files\t--file=");
    assert_eq!(of_words(&["call", "--", "--fil"]), "none\t");
}
