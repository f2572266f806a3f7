//! A command builder.

use std::ffi::OsStr;
use std::future::Future;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};
use std::{fmt, io};

use reveille_runtime::TimerSlack;

use super::Child;
use crate::io::context::Context as _;
use crate::os::child::catch_up;

/// Builds and starts a child process.
///
/// A command can be started more than once. Starting it blocks the thread while the system forks
/// and execs, usually less than a millisecond.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::process::Command;
///
/// let output = Command::new("sh").args(["-c", "echo $GREETING"]).env("GREETING", "hi").output();
/// assert_eq!(output.await?.stdout, b"hi\n");
/// # Ok(()) }) }
/// ```
pub struct Command {
    command: std::process::Command,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    reap_on_drop: bool,
    kill_on_drop: bool,
}

/// What is known about an input or output of std's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// Not set by the program: each start sets it.
    Unset,
    /// Set by the program.
    Set,
    /// Unknown: the command was made from one of std, which does not show it.
    Unknown,
}

impl Stream {
    /// Whether a start sets it. An unknown one is left alone if std's default is wanted.
    fn is_open(self, is_default_of_std: bool) -> bool {
        self == Stream::Unset || (self == Stream::Unknown && !is_default_of_std)
    }
}

impl Command {
    /// Creates a command that starts `program`. A bare name is looked up in `PATH`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let command = Command::new("ls");
    /// assert_eq!(command.get_program(), "ls");
    /// ```
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command::with([Stream::Unset; 3], std::process::Command::new(program))
    }

    fn with([stdin, stdout, stderr]: [Stream; 3], command: std::process::Command) -> Command {
        Command { command, stdin, stdout, stderr, reap_on_drop: true, kill_on_drop: false }
    }

    /// Adds an argument.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("echo");
    /// command.arg("hello").arg("world");
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("echo");
    /// command.args(["hello", "world"]);
    /// ```
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command.args(args);
        self
    }

    /// Sets an environment variable of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.env("LANG", "C");
    /// ```
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.command.env(key, val);
        self
    }

    /// Sets several environment variables of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.envs([("LANG", "C"), ("TERM", "dumb")]);
    /// ```
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.command.envs(vars);
        self
    }

    /// Returns the arguments, without the program.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("echo");
    /// command.arg("hello").arg("world");
    /// assert!(command.get_args().eq(["hello", "world"]));
    /// ```
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.command.get_args()
    }

    /// Returns the environment variables that were set for the child, or removed (`None`).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.env("LANG", "C").env_remove("TERM");
    /// assert_eq!(command.get_envs().count(), 2);
    /// ```
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.command.get_envs()
    }

    /// Returns the working directory of the child, if one was set.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    /// use std::path::Path;
    ///
    /// let mut command = Command::new("ls");
    /// assert_eq!(command.get_current_dir(), None);
    /// command.current_dir("/");
    /// assert_eq!(command.get_current_dir(), Some(Path::new("/")));
    /// ```
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.command.get_current_dir()
    }

    /// Returns the program.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// assert_eq!(Command::new("ls").get_program(), "ls");
    /// ```
    pub fn get_program(&self) -> &OsStr {
        self.command.get_program()
    }

    /// Removes an environment variable, so the child does not inherit it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.env_remove("PATH");
    /// ```
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.command.env_remove(key);
        self
    }

    /// Removes all environment variables, both set and inherited.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.env_clear();
    /// ```
    pub fn env_clear(&mut self) -> &mut Command {
        self.command.env_clear();
        self
    }

    /// Sets the working directory of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.current_dir("/");
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.command.current_dir(dir);
        self
    }

    /// Sets the standard input of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut command = Command::new("cat");
    /// command.stdin(Stdio::null());
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stdin = Stream::Set;
        self.command.stdin(cfg);
        self
    }

    /// Sets the standard output of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut command = Command::new("ls");
    /// command.stdout(Stdio::piped());
    /// ```
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stdout = Stream::Set;
        self.command.stdout(cfg);
        self
    }

    /// Sets the standard error of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut command = Command::new("ls");
    /// command.stderr(Stdio::null());
    /// ```
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.stderr = Stream::Set;
        self.command.stderr(cfg);
        self
    }

    /// Sets whether the status of a dropped child is taken when it exits. If not, the child stays a
    /// zombie until this process ends. `true` by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("cat");
    /// command.reap_on_drop(false);
    /// ```
    pub fn reap_on_drop(&mut self, reap_on_drop: bool) -> &mut Command {
        self.reap_on_drop = reap_on_drop;
        self
    }

    /// Sets whether the child is killed when its handle and all futures made from it are dropped.
    /// `false` by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("cat");
    /// command.kill_on_drop(true);
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Starts the child. Standard input, output and error are inherited unless they were set.
    ///
    /// # Errors
    ///
    /// The system's error, with the name of the program, for example if there is no such program.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.status().await?.success());
    ///
    /// let error = Command::new("/no/such/program").spawn().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # Ok(()) }) }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(Stdio::inherit, Stdio::inherit, true)
    }

    /// Starts the child and waits for it to exit. Standard input, output and error are inherited
    /// unless they were set.
    ///
    /// The call starts the child, before the future is polled.
    ///
    /// # Errors
    ///
    /// The system's error, for example if there is no such program.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the child: it runs in the background, and its status is lost. With
    /// [`kill_on_drop`](Command::kill_on_drop) it is killed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
    /// assert_eq!(status.code(), Some(3));
    /// # Ok(()) }) }
    /// ```
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async { child?.status().await }
    }

    /// Starts the child, waits for it to exit, and returns its output. Unless they were set,
    /// standard input is empty, and standard output and error are pipes.
    ///
    /// The call starts the child, before the future is polled.
    ///
    /// # Errors
    ///
    /// The system's error, for example if there is no such program.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the child, its pipes, and the output so far. The child runs in the
    /// background until it writes to a pipe that has no reader. With
    /// [`kill_on_drop`](Command::kill_on_drop) it is killed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let output = Command::new("sh").args(["-c", "echo out; echo err >&2"]).output().await?;
    /// assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    /// # Ok(()) }) }
    /// ```
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let child = self.start(Stdio::null, Stdio::piped, false);
        async { child?.output().await }
    }

    /// Starts the child, with these defaults for its input and for its output and error.
    fn start(
        &mut self,
        input: fn() -> Stdio,
        output: fn() -> Stdio,
        is_default_of_std: bool,
    ) -> io::Result<Child> {
        // These settings apply to this start only; the next start sets them again.
        if self.stdin.is_open(is_default_of_std) {
            self.command.stdin(input());
            self.stdin = Stream::Unset;
        }
        if self.stdout.is_open(is_default_of_std) {
            self.command.stdout(output());
            self.stdout = Stream::Unset;
        }
        if self.stderr.is_open(is_default_of_std) {
            self.command.stderr(output());
            self.stderr = Stream::Unset;
        }
        catch_up();
        // The child inherits the timer slack of this thread, and must not inherit the precise one
        // of a worker.
        let child = TimerSlack::as_usual(|| self.command.spawn());
        let child = child.named(|| {
            let program = std::path::Path::new(self.command.get_program());
            format!("could not start `{}`", program.display())
        })?;
        Child::new(child, self.kill_on_drop, self.reap_on_drop)
    }

    /// The command of std, for the platform extensions.
    pub(crate) fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.command
    }
}

impl From<std::process::Command> for Command {
    /// Wraps a command of std with all its settings.
    ///
    /// Standard input, output and error that were not set get the defaults of the method that
    /// starts the command. Only on Unix does std show whether they were set. On other systems
    /// [`output`](Command::output) makes pipes of all three unless they are set again here.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut echo = std::process::Command::new("echo");
    /// echo.arg("hello").stdout(Stdio::null());
    /// let output = Command::from(echo).output().await?;
    /// assert_eq!(output.stdout, b"", "it went where it was told to go");
    /// # Ok(()) }) }
    /// ```
    fn from(command: std::process::Command) -> Command {
        Command::with(streams(&command), command)
    }
}

/// Returns which of input, output and error are set. std shows it only in the alternate form of
/// `Debug`, one line each. Text of the program cannot imitate such a line, because strings are
/// shown with escaped line breaks and nested values are indented further.
fn streams(command: &std::process::Command) -> [Stream; 3] {
    let text = format!("{command:#?}");
    let is_field = |line: &str, name| {
        line.strip_prefix("    ").is_some_and(|line: &str| line.starts_with(name))
    };
    // If a future std writes it differently, nothing is known.
    if !text.lines().any(|line| is_field(line, "program: ")) {
        return [Stream::Unknown; 3];
    }
    ["stdin: ", "stdout: ", "stderr: "].map(|name| {
        let is_set = text.lines().any(|line| is_field(line, name));
        if is_set { Stream::Set } else { Stream::Unset }
    })
}

impl fmt::Debug for Command {
    /// Shows the command line, as std does. `{:#?}` also shows the options of this type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.command.fmt(f);
        }
        f.debug_struct("Command")
            .field("command", &self.command)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("reap_on_drop", &self.reap_on_drop)
            .field("kill_on_drop", &self.kill_on_drop)
            .finish()
    }
}
