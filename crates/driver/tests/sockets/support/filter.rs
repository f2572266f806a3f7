//! Simulates a kernel without a system call by a seccomp filter.

/// Makes the system call `number` fail with `errno` on this thread from now on.
pub fn refuse(number: libc::c_long, errno: i32) {
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).expect("an instruction has 16 bits"),
        jt,
        jf,
        k,
    };
    let number = u32::try_from(number).expect("a small number");
    let answer = libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
    let mut filter = [
        // The number of the call is the first word of the filter's input.
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 0, 1),
        op(libc::BPF_RET | libc::BPF_K, answer, 0, 0),
        op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).expect("a short program"),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the call takes numbers only.
    let is_bound = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(is_bound, 0, "PR_SET_NO_NEW_PRIVS failed");
    // SAFETY: the kernel copies the program, which outlives the call.
    let is_set =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(is_set, 0, "{}", std::io::Error::last_os_error());
}
