//! Processes that cannot be read.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::common::{Dir, Zoo, finish, mapscope, run, skip, zoo};

/// A process that waits for the end of its input.
struct Cat(Child);

impl Cat {
    fn start() -> Cat {
        let mut command = Command::new("cat");
        Cat(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_is_not_gos() {
    let cat = Cat::start();
    run(["ls", &cat.pid()]).fails("no Go build info: not a Go executable\n  hint: ");
}

#[test]
fn a_pause_is_a_duration() {
    for pause in ["5", "0s", "ms", "-1s", "1h", "1e400s"] {
        let run = run(["ls", "1", &format!("--max-pause={pause}")]);
        assert_eq!(run.code, Some(2), "{pause}");
        assert!(run.stderr.contains("--max-pause"), "{}", run.stderr);
    }
}

#[test]
fn a_process_that_has_ended() {
    let mut cat = Cat::start();
    drop(cat.0.stdin.take());
    let pid = cat.pid();
    // Not reaped before the end of the test: it stays a zombie as soon as it has ended.
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat").contains(") Z ") {
        std::thread::yield_now();
    }
    run(["ls", &pid]).fails("has ended");
}

#[test]
fn a_process_of_another_user() {
    const NAME: &str = "a_process_of_another_user";
    if !nix::unistd::geteuid().is_root() {
        return skip(NAME, "needs root, to become nobody");
    }
    let cat = Cat::start();
    // A copy that nobody may run: the build directory may be closed to others.
    let dir = Dir::new("nobody");
    let copy = dir.path().join("mapscope");
    crate::common::copy(env!("CARGO_BIN_EXE_mapscope").as_ref(), &copy);
    let mut command = Command::new(&copy);
    let run = finish(command.args(["ls", &cat.pid()]).uid(65534).gid(65534));
    run.fails("may not read process");
    run.fails("it belongs to uid 0, we are uid 65534 without the capability CAP_SYS_PTRACE");
}

/// Lets the kernel refuse this process and its children `ptrace` and `process_vm_readv`, as the
/// default profile of a container may.
fn filter_tracing() -> std::io::Result<()> {
    let op = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, equal, ret) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let mut program = [
        op(load, 0, 0, 0), // the number of the system call comes first in seccomp_data
        op(equal, 2, 0, libc::SYS_ptrace as u32),
        op(equal, 1, 0, libc::SYS_process_vm_readv as u32),
        op(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
        op(ret, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: prctl reads the program, which lives until it returns, and changes nothing of ours.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn filtered(args: &[&str]) -> crate::common::Run {
    let mut command = mapscope();
    // SAFETY: what runs between fork and exec makes two system calls and takes no lock.
    unsafe { command.pre_exec(filter_tracing) };
    finish(command.args(args))
}

#[test]
fn behind_a_seccomp_filter() {
    let Some(zoo) = Zoo::start("behind_a_seccomp_filter") else { return };
    let pid = zoo.pid();
    let refused = filtered(&["ls", &pid]);
    refused.fails("a seccomp filter is on mapscope");
    refused.fails("--freeze none");
    // What is left is the file of its memory.
    let racing = filtered(&["ls", &pid, "--freeze", "none", "--limit", "1"]);
    assert!(matches!(racing.code, Some(0 | 3)), "{}", racing.stderr);
    assert!(racing.stdout.contains("racing"), "{}", racing.stdout);
    let doctor = filtered(&["doctor", "--format", "csv"]).stdout;
    assert!(doctor.contains("seccomp,limit,"), "{doctor}");
    assert!(zoo.ends_well());
}

#[test]
fn without_the_capability() {
    const NAME: &str = "without_the_capability";
    let drop = ["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    let mut probe = Command::new("setpriv");
    let probe = probe.args(drop).arg("true").stderr(Stdio::null()).status();
    if !nix::unistd::geteuid().is_root() || !probe.is_ok_and(|status| status.success()) {
        return skip(NAME, "needs root and setpriv (util-linux), to give the capability up");
    }
    let cat = Cat::start();
    let without = |command: &str| {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(drop).arg(env!("CARGO_BIN_EXE_mapscope"));
        finish(setpriv.args([command, &cat.pid()]))
    };
    let refused = without("ls");
    refused.fails("it has capabilities that we have not, and we lack CAP_SYS_PTRACE");
    let doctor = without("doctor");
    assert_eq!(doctor.code, Some(1), "{}", doctor.stderr);
    assert!(doctor.stdout.contains("it has capabilities that we have not"), "{}", doctor.stdout);
}

/// The kernel's setting is the machine's, and is left as it is: where there is none, or it is 0, yama
/// must not be blamed. What it does at each setting is tested with `Obstacle`.
#[test]
fn yama_as_it_is_set_here() {
    let setting = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
    let scope: u32 = setting.map_or(0, |text| text.trim().parse().expect("a number"));
    let cat = Cat::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
    let run = match nix::unistd::geteuid().is_root() {
        true => {
            let mut setpriv = Command::new("setpriv");
            let drop = ["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
            setpriv.args(drop).arg(env!("CARGO_BIN_EXE_mapscope"));
            finish(setpriv.args(["ls", &cat.pid()]))
        }
        false => finish(command.args(["ls", &cat.pid()])),
    };
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert_eq!(run.stderr.contains("yama forbids it"), scope > 0, "{}", run.stderr);
    let doctor = finish(mapscope().args(["doctor", "--format", "csv"])).stdout;
    let said = doctor.lines().find(|line| line.starts_with("yama,")).expect("a check of yama");
    assert_eq!(said.starts_with("yama,problem"), scope == 3, "{said}");
}

#[test]
fn doctor_looks_into_a_container() {
    const NAME: &str = "doctor_looks_into_a_container";
    let mut unshare = Command::new("unshare");
    unshare.args(["-mpf", "--kill-child", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let Ok(child) = unshare.spawn() else { return skip(NAME, "unshare is not installed") };
    let mut outside = Cat(child);
    let children = format!("/proc/{0}/task/{0}/children", outside.pid());
    let inside = loop {
        if outside.0.try_wait().expect("its state").is_some() {
            return skip(NAME, "may not make namespaces");
        }
        let pid = std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name == "cat\n" {
            break pid;
        }
        std::thread::yield_now();
    };
    let run = run(["doctor", &inside, "--format", "csv"]);
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
    assert!(run.stdout.contains("target: container,ok"), "{}", run.stdout);
    assert!(run.stdout.contains("target: access,ok"), "{}", run.stdout);
}

#[test]
fn doctor_says_what_stands_in_the_way() {
    let cat = Cat::start();
    let run = run(["doctor", &cat.pid(), "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("an array");
    let names: Vec<&str> = checks.iter().filter_map(|check| check["check"].as_str()).collect();
    for name in ["uid", "yama", "seccomp", "core_pattern", "perf", "BPF", "target: GOTRACEBACK"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for check in checks {
        let bad = matches!(check["state"].as_str(), Some("limit" | "problem"));
        assert!(!bad || check["remedy"] != "", "{check}");
    }
}

#[test]
fn a_map_that_is_none() {
    let Some(zoo) = zoo("a_map_that_is_none") else { return };
    let mut child = Command::new(zoo)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the zoo starts");
    wait_ready(&mut child);
    let pid = child.id().to_string();
    run(["show", &pid, "main.insertd"])
        .fails("no global variable is named main.insertd\n  hint: did you mean ");
    run(["show", &pid, "c000123456"]).fails("did you mean 0xc000123456?");
    run(["entries", &pid, "0x10"]).fails("there is no map at 0x10\n  hint: ");
    run(["entries", &pid, "main.inserted"]).fails("main.inserted is no map, but leads to:\n  0x");
    for map in ["", "main.", "main.inserted[", "main.inserted[99999999]", "main.inserted[0].x", "§"]
    {
        assert_eq!(run(["show", &pid, map]).code, Some(2), "{map}");
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success(), "the zoo goes on after it was read");
}

fn wait_ready(child: &mut Child) {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "READY");
    assert!(ready, "the zoo is ready");
}
