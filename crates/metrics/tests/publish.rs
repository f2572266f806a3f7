//! What a recorder of the crate `metrics` receives.

use reveille_watchdog as _;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use reveille::runtime::{Builder, Runtime};
use reveille_metrics::Publisher;

/// The unit and the text of a metric.
type Described = (Option<Unit>, String);

/// What was recorded: the value of each key, and the unit and text of each name.
#[derive(Clone, Default)]
struct Recorded {
    values: Arc<Mutex<HashMap<String, Arc<Value>>>>,
    described: Arc<Mutex<HashMap<String, Described>>>,
    /// How often a value was set.
    sets: Arc<AtomicU64>,
}

#[derive(Default)]
struct Value {
    bits: AtomicU64,
    is_counter: std::sync::atomic::AtomicBool,
    sets: Arc<AtomicU64>,
}

impl Value {
    fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::SeqCst))
    }
}

impl CounterFn for Value {
    fn increment(&self, _: u64) {
        panic!("the runtime counts, so the publisher must not");
    }

    fn absolute(&self, value: u64) {
        self.is_counter.store(true, Ordering::SeqCst);
        self.bits.store((value as f64).to_bits(), Ordering::SeqCst);
        self.sets.fetch_add(1, Ordering::SeqCst);
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::SeqCst);
        self.sets.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorded {
    fn value(&self, key: &Key) -> Arc<Value> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        let mut values = self.values.lock().unwrap();
        let new = || Arc::new(Value { sets: Arc::clone(&self.sets), ..Value::default() });
        Arc::clone(values.entry(name).or_insert_with(new))
    }

    fn get(&self, name: &str) -> f64 {
        self.values.lock().unwrap().get(name).unwrap_or_else(|| panic!("no {name}")).get()
    }

    fn describe(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.described.lock().unwrap().insert(name.as_str().to_owned(), (unit, text.into_owned()));
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{name:?}: there are no histograms");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key:?}: there are no histograms");
    }
}

#[test]
fn each_metric_has_a_value_a_unit_and_a_description() {
    let recorded = Recorded::default();
    let runtime = Builder::new().workers(3).build().unwrap();
    runtime.block_on(runtime.spawn(async {}));
    let publisher = Publisher::new(runtime.handle());
    metrics::with_local_recorder(&recorded, || publisher.publish());
    let (values, described) =
        (recorded.values.lock().unwrap().clone(), recorded.described.lock().unwrap().clone());
    // The fields of `Metrics`, from its text.
    let fields: Vec<String> = format!("{:#?}", runtime.metrics())
        .lines()
        .filter_map(|line| Some(format!("reveille_{}", line.trim().split_once(": ")?.0)))
        .collect();
    assert!(fields.len() > 20, "{fields:?}");
    assert_eq!(values.len(), fields.len());
    for name in fields {
        let (unit, text) = described.get(&name).unwrap_or_else(|| panic!("no {name}"));
        assert!(values.contains_key(&name), "{name}");
        let is_time = name.ends_with("_time");
        assert_eq!(*unit, Some(if is_time { Unit::Microseconds } else { Unit::Count }), "{name}");
        assert!(!text.is_empty());
    }
    assert_eq!(recorded.get("reveille_workers"), 3.0);
    assert!(recorded.get("reveille_polls") >= 1.0);
    let is_counter = |name: &str| values[name].is_counter.load(Ordering::SeqCst);
    assert!(is_counter("reveille_polls") && !is_counter("reveille_workers"));
}

#[test]
fn runtimes_are_distinguished_by_labels() {
    let recorded = Recorded::default();
    let runtimes = [1, 2].map(|workers| Builder::new().workers(workers).build().unwrap());
    metrics::with_local_recorder(&recorded, || {
        for (runtime, name) in runtimes.iter().zip(["one", "two"]) {
            Publisher::new(runtime.handle()).label("runtime", name).publish();
        }
    });
    assert_eq!(recorded.get("reveille_workers runtime=one"), 1.0);
    assert_eq!(recorded.get("reveille_workers runtime=two"), 2.0);
}

#[test]
fn a_runtime_that_has_ended_leaves_the_last_numbers() {
    let recorded = Recorded::default();
    let runtime = Runtime::start().unwrap();
    let publisher = Publisher::new(runtime.handle());
    metrics::with_local_recorder(&recorded, || publisher.publish());
    let workers = recorded.get("reveille_workers");
    drop(runtime);
    // Another one uses its memory.
    let other = Runtime::start().unwrap();
    let sets = recorded.sets.load(Ordering::SeqCst);
    metrics::with_local_recorder(&recorded, || publisher.publish());
    assert_eq!(recorded.sets.load(Ordering::SeqCst), sets);
    assert_eq!(recorded.get("reveille_workers"), workers);
    drop(other);
}

/// In this test only: a recorder for all threads is set once in a process.
#[test]
fn the_task_publishes_until_it_is_cancelled() {
    let recorded = Recorded::default();
    metrics::set_global_recorder(recorded.clone()).unwrap_or_else(|_| panic!("the only one"));
    let runtime = Builder::new().workers(1).build().unwrap();
    let task = Publisher::new(runtime.handle()).spawn(Duration::from_millis(1));
    while recorded.sets.load(Ordering::SeqCst) < 100 {
        std::thread::yield_now();
    }
    assert_eq!(recorded.get("reveille_live_tasks"), 1.0);
    runtime.block_on(task.cancel());
    let sets = recorded.sets.load(Ordering::SeqCst);
    runtime.block_on(runtime.spawn(reveille::task::sleep(Duration::from_millis(10))));
    assert_eq!(recorded.sets.load(Ordering::SeqCst), sets);
}

#[test]
#[should_panic(expected = "an interval of zero")]
fn an_interval_of_zero_is_refused() {
    let runtime = Runtime::start().unwrap();
    drop(Publisher::new(runtime.handle()).spawn(Duration::ZERO));
}
