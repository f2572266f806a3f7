//! Spans and events of tracing arrive in the recording, with the tasks that they belong to.

use reveille_watchdog as _;

use reveille::task::Builder;
use reveille::{observe, task};
use reveille_trace::Trace;
use tracing_subscriber::prelude::*;

fn named<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> task::JoinHandle<T> {
    Builder::new().name(name.to_owned()).spawn(work).expect("the runtime is up")
}

/// One test, because a process makes one recording at a time.
#[test]
fn spans_and_events_belong_to_their_tasks() {
    tracing_subscriber::registry().with(reveille_tracing::RecorderLayer::new()).init();
    // First entered while nothing was recorded.
    let early = tracing::info_span!("early");
    drop(early.enter());
    let path = std::env::temp_dir().join(format!("reveille-tracing-{}.rvt", std::process::id()));
    let recording = observe::record_to(&path).expect("nothing else records");
    task::block_on(async {
        let work = async {
            let span = tracing::info_span!("request", user = 7, result = tracing::field::Empty);
            for _ in 0..3 {
                // An instrumented future enters its span in each poll.
                span.in_scope(|| tracing::warn!(count = 1, "slow"));
                task::yield_now().await;
            }
            span.record("result", "ok");
        };
        named("worker", work).await;
        // A span that another task closes, after an equal one of the first task has ended.
        let begin = async {
            let spans = [(); 2].map(|()| tracing::info_span!("job"));
            spans.iter().for_each(|span| drop(span.enter()));
            spans
        };
        let [first, second] = named("begins", begin).await;
        drop(second);
        named("ends", async move { drop(first) }).await;
    });
    drop(early);
    recording.finish().expect("the disk has room");
    let trace = Trace::read(&std::fs::read(&path).expect("it is there")).expect("it is a trace");
    std::fs::remove_file(&path).expect("it is this test's");
    let task_of = |task: u32| trace.text(trace.tasks[task as usize].name);
    let [request, first, second] = trace.spans[..] else { panic!("{:?}", trace.spans) };
    assert_eq!(trace.text(request.name), "request user=7");
    assert_eq!(task_of(request.task), "worker");
    let polls: Vec<_> = trace.polls_of(request.task).collect();
    assert_eq!(polls.len(), 4);
    assert!(request.end.is_some_and(|end| end >= polls[2].end && end <= polls[3].end));
    let marks: Vec<_> = trace.marks.iter().map(|mark| (trace.text(mark.name), mark.task)).collect();
    let mark = ("WARN spans: slow count=1", request.task);
    assert_eq!(marks, [mark, mark, mark]);
    // `second` ended outside of tasks and before `first`, which ended in the last task.
    for span in [first, second] {
        assert_eq!((trace.text(span.name), task_of(span.task)), ("job", "begins"));
    }
    let ends = trace.tasks.iter().position(|task| trace.text(task.name) == "ends");
    let ends = trace.polls_of(ends.expect("it is recorded") as u32).next().expect("it ran");
    assert!(first.end.is_some_and(|end| (ends.start..=ends.end).contains(&end)), "{first:?}");
    assert!(second.end.is_some_and(|end| end <= ends.start), "{second:?} {ends:?}");
}
