//! The switches on x86-64. The thread pointer is the base of the segment `fs`, which a program may
//! set if the processor and the kernel support the instruction `wrfsbase`.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use super::Context;

/// The bit of `AT_HWCAP2` with which the kernel permits `wrfsbase`.
const HWCAP2_FSGSBASE: libc::c_ulong = 1 << 1;

/// All signals, as the kernel has them. Those that cannot be blocked are ignored.
static ALL_SIGNALS: u64 = u64::MAX;

/// Shows that the processor and the kernel permit the instruction.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct Switches(());

impl Switches {
    /// `None` if the processor or the kernel does not permit it.
    pub(in crate::platform) fn of_this_machine() -> Option<Switches> {
        // SAFETY: the call takes a number.
        let bits = unsafe { libc::getauxval(libc::AT_HWCAP2) };
        (bits & HWCAP2_FSGSBASE != 0).then_some(Switches(()))
    }

    /// Records the thread pointer of the calling thread, whose context this is.
    pub(in crate::platform) fn begin(self, own: &Context) {
        let thread_pointer: usize;
        // SAFETY: the ABI of threads has the thread pointer itself at the place that it points to.
        unsafe {
            asm!("mov {}, fs:[0]", out(reg) thread_pointer,
                options(nostack, readonly, preserves_flags));
        }
        own.thread_pointer.set(thread_pointer);
    }

    /// Saves the context `from`, which the calling thread of the system runs, and loads `to`.
    /// Returns when something loads `from`.
    ///
    /// # Safety
    ///
    /// * The caller has the baton and runs `from`.
    /// * `to` is saved, and all of it outlives the process.
    pub(in crate::platform) unsafe fn switch(self, from: &Context, to: &Context) {
        // SAFETY: the caller's promises. A `Switches` shows that `wrfsbase` is permitted.
        unsafe { switch(from, to) }
    }

    /// Saves the context `from`, which the calling thread of the system runs, gives the baton to
    /// the thread of the system whose context is `to`, and waits for it. Then the calling thread of
    /// the system loads `own`, its own context. Returns when something loads `from`.
    ///
    /// # Safety
    ///
    /// * The caller has the baton and runs `from`.
    /// * `own` is saved or the same as `from`, and its thread pointer is the one with which the
    ///   calling thread of the system was started.
    /// * `to` is another one than `own`. Its thread of the system waits for the baton.
    /// * All of them outlive the process.
    pub(in crate::platform) unsafe fn leave_for(self, from: &Context, own: &Context, to: &Context) {
        // SAFETY: the caller's promises. A `Switches` shows that `wrfsbase` is permitted.
        unsafe { leave_for(from, own, to) }
    }
}

/// Pushes the registers that a call preserves, and the two words that control arithmetic. The
/// notes are for debuggers and for walks of the stack.
macro_rules! save {
    () => {
        concat!(
            "push rbp\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset rbp, 0\n",
            "push rbx\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset rbx, 0\n",
            "push r12\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset r12, 0\n",
            "push r13\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset r13, 0\n",
            "push r14\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset r14, 0\n",
            "push r15\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset r15, 0\n",
            "sub rsp, 8\n.cfi_adjust_cfa_offset 8\n",
            "stmxcsr [rsp]\n",
            "fnstcw [rsp + 4]\n",
        )
    };
}

/// The opposite of [`save`].
macro_rules! load {
    () => {
        concat!(
            "ldmxcsr [rsp]\n",
            "fldcw [rsp + 4]\n",
            "add rsp, 8\n.cfi_adjust_cfa_offset -8\n",
            "pop r15\n.cfi_adjust_cfa_offset -8\n.cfi_restore r15\n",
            "pop r14\n.cfi_adjust_cfa_offset -8\n.cfi_restore r14\n",
            "pop r13\n.cfi_adjust_cfa_offset -8\n.cfi_restore r13\n",
            "pop r12\n.cfi_adjust_cfa_offset -8\n.cfi_restore r12\n",
            "pop rbx\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbx\n",
            "pop rbp\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbp\n",
        )
    };
}

/// # Safety
///
/// * As for [`Switches::switch`].
/// * `wrfsbase` is permitted.
#[unsafe(naked)]
unsafe extern "sysv64" fn switch(from: &Context, to: &Context) {
    naked_asm!(
        ".cfi_startproc",
        save!(),
        "mov [rdi + {stack}], rsp",
        "mov rsp, [rsi + {stack}]",
        "mov rax, [rsi + {thread_pointer}]",
        "wrfsbase rax",
        load!(),
        "ret",
        ".cfi_endproc",
        stack = const offset_of!(Context, stack),
        thread_pointer = const offset_of!(Context, thread_pointer),
    )
}

/// From the second system call on, nothing uses the stack (invariant 2). `r12` is `own`, and `r13`
/// is `to`.
///
/// # Safety
///
/// * As for [`Switches::leave_for`].
/// * `wrfsbase` is permitted.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave_for(from: &Context, own: &Context, to: &Context) {
    naked_asm!(
        ".cfi_startproc",
        save!(),
        "mov [rdi + {stack}], rsp",
        "mov r12, rsi",
        "mov r13, rdx",
        // Block all signals. A handler would need a stack.
        "mov edi, {set_mask}",
        "lea rsi, [rip + {all}]",
        "lea rdx, [r12 + {mask}]",
        "mov r10d, 8",
        "mov eax, {rt_sigprocmask}",
        "syscall",
        "mov rsp, [r12 + {stack}]",
        "mov rax, [r12 + {thread_pointer}]",
        "wrfsbase rax",
        // Give the baton.
        "mov eax, {with}",
        "xchg [r13 + {baton}], eax",
        "lea rdi, [r13 + {baton}]",
        "mov esi, {futex_wake}",
        "mov edx, 1",
        "xor r10d, r10d",
        "mov eax, {futex}",
        "syscall",
        // Wait for it.
        "2:",
        "mov eax, {without}",
        "xchg [r12 + {baton}], eax",
        "cmp eax, {with}",
        "je 3f",
        "lea rdi, [r12 + {baton}]",
        "mov esi, {futex_wait}",
        "mov edx, {without}",
        "xor r10d, r10d",
        "mov eax, {futex}",
        "syscall",
        "jmp 2b",
        "3:",
        // The context may have run elsewhere meanwhile, so its stack pointer is another one.
        "mov rsp, [r12 + {stack}]",
        "mov edi, {set_mask}",
        "lea rsi, [r12 + {mask}]",
        "xor edx, edx",
        "mov r10d, 8",
        "mov eax, {rt_sigprocmask}",
        "syscall",
        load!(),
        "ret",
        ".cfi_endproc",
        all = sym ALL_SIGNALS,
        stack = const offset_of!(Context, stack),
        thread_pointer = const offset_of!(Context, thread_pointer),
        mask = const offset_of!(Context, mask),
        baton = const offset_of!(Context, baton),
        with = const super::WITH,
        without = const super::WITHOUT,
        set_mask = const libc::SIG_SETMASK,
        rt_sigprocmask = const libc::SYS_rt_sigprocmask,
        futex = const libc::SYS_futex,
        futex_wake = const libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
        futex_wait = const libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
    )
}
