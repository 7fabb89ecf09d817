//! What the methods of gVisor's control server that an operator uses take and give. The names and
//! types are those of builds of 2026; builds of 2022 leave out or ignore what they do not know.

use std::collections::BTreeMap;

use urpc::Files;
use urpc::json::Value;

urpc::record! {
    /// Nothing, as most methods give.
    #[derive(Debug, Default, PartialEq)]
    pub struct Nothing {}

    /// One process, of `containerManager.Processes`.
    #[derive(Debug, Default, PartialEq)]
    pub struct Process {
        pub uid: u32,
        pub pid: i32,
        pub ppid: i32,
        pub pgid: i32 => omitempty, // since 2023
        pub threads: Vec<i32>,
        pub c: i32,
        pub tty: String,
        pub stime: String,
        pub time: String,
        pub cmd: String,
    }

    /// What `containerManager.Signal` takes.
    #[derive(Debug, Default)]
    pub struct Signal {
        pub cid: String => "CID",
        pub signo: i32 => "Signo",
        pub pid: i32 => "PID",
        /// 0 the process, 1 all of the container, 2 its foreground group, 3 its process group.
        pub mode: i32 => "Mode",
    }

    /// What `containerManager.ExecuteAsync` and `Proc.Exec` take.
    #[derive(Debug, Default)]
    pub struct Exec {
        pub filename: String,
        pub argv: Vec<String>,
        pub envv: Vec<String>,
        pub mount_namespace: Option<Value> => "MountNamespace",
        pub wd: String,
        pub kuid: u32 => "KUID",
        pub kgid: u32 => "KGID",
        pub extra_kgids: Vec<u32> => "ExtraKGIDs",
        pub capabilities: Option<Capabilities> => "Capabilities",
        pub no_new_privileges: bool => "NoNewPrivileges" omitempty,
        pub stdio_is_pty: bool => "StdioIsPty",
        pub container_id: String => "ContainerID",
        pub pid_namespace: Option<Value> => "PIDNamespace",
        pub limits: Option<Value> => "Limits",
        /// Which descriptors of the program the files become: newer builds ask for it.
        pub guest_fds: Vec<i32> => "GuestFDs" omitempty,
        pub files: Files,
    }

    /// Capabilities as bit sets.
    #[derive(Debug, Default)]
    pub struct Capabilities {
        pub permitted: u64 => "PermittedCaps",
        pub inheritable: u64 => "InheritableCaps",
        pub effective: u64 => "EffectiveCaps",
        pub bounding: u64 => "BoundingCaps",
        pub ambient: u64 => "AmbientCaps",
    }

    /// What `containerManager.WaitPID` takes.
    #[derive(Debug, Default)]
    pub struct WaitPid {
        pub pid: i32 => "PID",
        pub cid: String => "CID",
    }

    /// What `containerManager.Event` gives.
    #[derive(Debug, Default)]
    pub struct Events {
        pub event: Event,
        pub usage: BTreeMap<String, u64> => "containerUsage",
    }

    #[derive(Debug, Default)]
    pub struct Event {
        pub r#type: String,
        pub id: String,
        pub data: Stats,
    }

    #[derive(Debug, Default)]
    pub struct Stats {
        pub cpu: Cpu,
        pub memory: Memory,
        pub pids: Pids,
        pub network_interfaces: Vec<NetworkInterface> => omitempty, // since 2023
    }

    #[derive(Debug, Default)]
    pub struct NetworkInterface {
        pub name: String => "Name",
        pub rx_bytes: u64 => "RxBytes",
        pub tx_bytes: u64 => "TxBytes",
    }

    #[derive(Debug, Default)]
    pub struct Cpu {
        pub usage: CpuUsage,
    }

    #[derive(Debug, Default)]
    pub struct CpuUsage {
        pub kernel: u64 => omitempty,
        pub user: u64 => omitempty,
        pub total: u64 => omitempty,
        pub percpu: Vec<u64> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct Memory {
        pub cache: u64 => omitempty,
        pub usage: MemoryEntry,
        pub swap: MemoryEntry,
        pub kernel: MemoryEntry,
        pub kernel_tcp: MemoryEntry => "kernelTCP",
        pub raw: BTreeMap<String, u64> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct MemoryEntry {
        pub limit: u64,
        pub usage: u64 => omitempty,
        pub max: u64 => omitempty,
        pub failcnt: u64,
    }

    #[derive(Debug, Default)]
    pub struct Pids {
        pub current: u64 => omitempty,
        pub limit: u64 => omitempty,
    }

    /// What `Usage.Collect` takes.
    #[derive(Debug, Default)]
    pub struct CollectUsage {
        pub full: bool => "Full",
    }

    /// What `Usage.Collect` gives, in bytes.
    #[derive(Debug, Default)]
    pub struct MemoryUsage {
        pub unknown: u64 => "Unknown",
        pub system: u64 => "System",
        pub anonymous: u64 => "Anonymous",
        pub page_cache: u64 => "PageCache",
        pub mapped: u64 => "Mapped",
        pub tmpfs: u64 => "Tmpfs",
        pub ramdiskfs: u64 => "Ramdiskfs",
        pub total: u64 => "Total",
    }

    /// What `Logging.Change` takes.
    #[derive(Debug, Default)]
    pub struct ChangeLogging {
        pub set_level: bool => "SetLevel",
        /// 0 warning, 1 info, 2 debug.
        pub level: u32 => "Level",
        pub set_strace: bool => "SetStrace" omitempty,
        pub enable_strace: bool => "EnableStrace" omitempty,
        pub strace_allowlist: Vec<String> => "StraceAllowlist" omitempty,
    }

    /// What `Lifecycle.Pause` and `Lifecycle.Resume` take. Builds of 2022 pay no heed to it.
    #[derive(Debug, Default)]
    pub struct Container {
        pub container_id: String,
    }

    /// What `Fs.Read` takes (since 2023). The content is written into the file that is sent.
    #[derive(Debug, Default)]
    pub struct ReadFile {
        pub container_id: String,
        pub path: String,
        pub offset: i64,
        /// In bytes; 0 for all that there is.
        pub size: i64,
        pub output: Files,
    }

    /// What `Metrics.Export` takes (since 2023): a regular expression, or nothing for all.
    #[derive(Debug, Default)]
    pub struct ExportMetrics {
        pub only_metrics: String,
    }

    /// What `Metrics.Export` gives.
    #[derive(Debug, Default)]
    pub struct Metrics {
        pub snapshot: MetricsSnapshot,
    }

    #[derive(Debug, Default)]
    pub struct MetricsSnapshot {
        pub when: String,
        pub data: Vec<MetricsData>,
    }

    #[derive(Debug, Default)]
    pub struct MetricsData {
        pub metric: Metric,
        pub labels: BTreeMap<String, String> => omitempty,
        pub number: Option<MetricsNumber> => "val" omitempty,
        pub histogram: Option<Value> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct Metric {
        pub name: String,
        pub r#type: i32,
        pub help: String,
    }

    /// At most one of the two is set.
    #[derive(Debug, Default)]
    pub struct MetricsNumber {
        pub float: f64 => omitempty,
        pub int: i64 => omitempty,
    }
}
