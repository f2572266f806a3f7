//! A profile for speedscope.app: a sample for each stack, with the time waited in it as its weight.

use std::collections::HashMap;

use reveille_trace::Trace;
use serde_json::{Value, json};

use super::waited;

/// Returns the profile.
pub(crate) fn json(trace: &Trace) -> String {
    let mut frames: Vec<Value> = Vec::new();
    let mut indices: HashMap<String, usize> = HashMap::new();
    let (mut samples, mut weights, mut total) = (Vec::new(), Vec::new(), 0_u64);
    for stack in waited::stacks(trace) {
        let sample = stack.frames.into_iter().map(|name| {
            *indices.entry(name).or_insert_with_key(|name| {
                frames.push(json!({ "name": name }));
                frames.len() - 1
            })
        });
        samples.push(sample.collect::<Vec<_>>());
        weights.push(stack.ns);
        total = total.saturating_add(stack.ns);
    }
    let program = &trace.meta.program;
    let profile = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("reveille ", env!("CARGO_PKG_VERSION")),
        "name": format!("{program}: where tasks waited"),
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [{
            "type": "sampled",
            "name": "time waited",
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": total,
            "samples": samples,
            "weights": weights,
        }],
    });
    profile.to_string() + "\n"
}
