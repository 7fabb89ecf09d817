//! What goes to and comes from a sandbox's methods, as records: the captured messages and a live
//! sandbox are both read with these. Those that an operator uses belong to an example.

use std::collections::BTreeMap;

use urpc::Files;
use urpc::json::{Bytes, Value};

pub use crate::gvisor_control::records::*;

urpc::record! {
    /// What `Usage.UsageFD` takes.
    #[derive(Debug, Default)]
    pub struct UsageFd {
        pub version: i32 => "Version",
    }

    /// What `Usage.UsageFD` gives: nothing but files.
    #[derive(Debug, Default)]
    pub struct UsageFiles {
        pub files: Files,
    }

    /// What `Usage.Reduce` takes.
    #[derive(Debug, Default)]
    pub struct ReduceUsage {
        pub wait: bool => "Wait",
    }

    /// What `Cgroups.ReadControlFiles` takes.
    #[derive(Debug, Default)]
    pub struct ReadControlFiles {
        pub args: Vec<ReadControlFile>,
    }

    #[derive(Debug, Default)]
    pub struct ReadControlFile {
        pub file: ControlFile,
    }

    #[derive(Debug, Default)]
    pub struct ControlFile {
        pub controller: String,
        pub path: String,
        pub name: String,
    }

    /// What `Cgroups.ReadControlFiles` gives.
    #[derive(Debug, Default)]
    pub struct ControlFiles {
        pub results: Vec<ControlFileContent>,
    }

    #[derive(Debug, Default)]
    pub struct ControlFileContent {
        pub value: String,
        pub is_error: bool,
    }

    /// What `containerManager.CreateTraceSession` takes.
    #[derive(Debug, Default)]
    pub struct CreateTraceSession {
        pub config: TraceSession => "Config",
        pub force: bool => "Force",
        pub files: Files,
    }

    /// A trace session, as it is created and as it is listed.
    #[derive(Debug, Default)]
    pub struct TraceSession {
        pub name: String => omitempty,
        pub points: Vec<TracePoint> => omitempty,
        pub sinks: Vec<TraceSink> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct TracePoint {
        pub name: String => omitempty,
        pub optional_fields: Vec<String> => omitempty,
        pub context_fields: Vec<String> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct TraceSink {
        pub name: String => omitempty,
        pub config: BTreeMap<String, Value> => omitempty,
        pub ignore_setup_error: bool => omitempty,
        pub status: TraceStatus,
    }

    #[derive(Debug, Default)]
    pub struct TraceStatus {
        pub dropped_count: u64 => "DroppedCount",
    }

    /// What `containerManager.ProcfsDump` gives of each process.
    #[derive(Debug, Default)]
    pub struct Procfs {
        pub exe: String => omitempty,
        pub args: Vec<String> => omitempty,
        pub env: Vec<String> => omitempty,
        pub cwd: String => omitempty,
        pub fdlist: Vec<OpenFile> => omitempty,
        pub clone_ts: i64,
        pub root: String => omitempty,
        pub limits: BTreeMap<String, Rlimit> => omitempty,
        pub status: Status,
        pub stat: Stat,
        pub maps: Vec<Mapping> => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct OpenFile {
        pub number: i32,
        pub path: String => omitempty,
        pub mode: u16,
    }

    #[derive(Debug, Default)]
    pub struct Rlimit {
        pub cur: u64,
        pub max: u64,
    }

    #[derive(Debug, Default)]
    pub struct Status {
        pub comm: String,
        pub pid: i32,
        pub ppid: i32,
        pub uid: Ids,
        pub gid: Ids,
        pub vm_size: u64,
        pub vm_rss: u64,
    }

    #[derive(Debug, Default)]
    pub struct Ids {
        pub real: u32,
        pub effective: u32,
        pub saved: u32,
    }

    #[derive(Debug, Default)]
    pub struct Stat {
        pub pgid: i32,
        pub sid: i32,
    }

    #[derive(Debug, Default)]
    pub struct Mapping {
        pub address: AddressRange,
        pub permissions: Permissions,
        pub private: String,
        pub offset: u64,
        pub device_minor: u32 => "deviceMinor" omitempty,
        pub inode: u64 => omitempty,
        pub pathname: String => omitempty,
    }

    #[derive(Debug, Default)]
    pub struct AddressRange {
        pub start: u64 => "Start",
        pub end: u64 => "End",
    }

    #[derive(Debug, Default)]
    pub struct Permissions {
        pub read: bool => "Read",
        pub write: bool => "Write",
        pub execute: bool => "Execute",
    }

    /// What `Network.CreateLinksAndRoutes` takes.
    #[derive(Debug, Default)]
    pub struct CreateLinksAndRoutes {
        pub loopback_links: Option<Vec<LoopbackLink>> => "LoopbackLinks",
        pub fd_based_links: Option<Vec<Value>> => "FDBasedLinks",
        pub xdp_links: Option<Vec<Value>> => "XDPLinks",
        pub default_v4_gateway: DefaultRoute => "Defaultv4Gateway",
        pub default_v6_gateway: DefaultRoute => "Defaultv6Gateway",
        pub pcap: bool => "PCAP",
        pub files: Files,
    }

    #[derive(Debug, Default)]
    pub struct LoopbackLink {
        pub name: String => "Name",
        pub addresses: Vec<IpWithPrefix> => "Addresses",
        pub routes: Vec<Route> => "Routes",
    }

    #[derive(Debug, Default)]
    pub struct IpWithPrefix {
        pub address: String => "Address",
        pub prefix_len: u8 => "PrefixLen",
    }

    #[derive(Debug, Default)]
    pub struct Route {
        pub destination: IpNetwork => "Destination",
        pub gateway: String => "Gateway",
    }

    #[derive(Debug, Default)]
    pub struct IpNetwork {
        pub ip: String => "IP",
        pub mask: Option<Bytes> => "Mask",
    }

    #[derive(Debug, Default)]
    pub struct DefaultRoute {
        pub route: Route => "Route",
        pub name: String => "Name",
    }
}
