//! `#[reveille::main]` and `#[reveille::test]`: the functions that they accept, and the parts of a
//! function that they keep. The functions that they refuse are in `ui/fail`.

use std::io;

#[reveille::test]
async fn a_test_awaits() {
    assert_eq!(std::future::ready(1).await, 1);
}

#[reveille::test]
async fn a_test_may_return_a_result() -> io::Result<()> {
    // The types of the closure and of `?` are inferred from the signature.
    let check = |n: i32| if n == 1 { Ok(()) } else { Err(io::ErrorKind::Other.into()) };
    check(1)
}

#[reveille::test]
#[should_panic(expected = "as it should")]
async fn a_test_may_be_expected_to_panic() {
    std::future::ready(()).await;
    panic!("as it should");
}

/// Documentation and `cfg` stay on the test.
#[reveille::test]
#[cfg(not(any()))]
async fn a_test_keeps_its_attributes() {}

#[reveille::test(crate = reveille)]
async fn the_path_of_the_crate_can_be_given() {}

mod renamed {
    pub(crate) use reveille as elsewhere;

    #[reveille::test(crate = self::elsewhere)]
    async fn a_local_crate_path_is_used() {}
}

macro_rules! tests {
    ($($visibility:vis $name:ident -> $output:ty $body:block)*) => {$(
        /// A test that a macro generates.
        #[reveille::test]
        $visibility async fn $name() -> $output $body
    )*};
}

tests! {
    a_test_may_come_out_of_a_macro -> () { std::future::ready(()).await }
    pub another_one -> Result<(), String> { Ok(()) }
}

/// An expanded `main` is a plain function and can be called as one.
mod program {
    #[reveille::main]
    pub(super) async fn main() -> impl std::process::Termination {
        std::future::ready(()).await;
        std::process::ExitCode::SUCCESS
    }
}

#[test]
fn main_runs_to_its_end() {
    use std::process::Termination;
    assert_eq!(program::main().report(), std::process::ExitCode::SUCCESS);
}

/// The attributes of the shim find their crate by name, even if it is renamed.
mod drop_in {
    use reveille as async_std;

    #[reveille_macros::async_std_test]
    async fn a_test_of_the_replacement() {
        assert_eq!(std::future::ready(1).await, 1);
    }
}
