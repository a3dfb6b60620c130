//! Waiting for a condition of another process: bounded, in small steps.

use std::time::{Duration, Instant};

/// Between two looks. Small, because a control plane is ready within seconds.
const STEP: Duration = Duration::from_millis(20);

/// Asks `look` until it gives something or `limit` has passed; `None` when it has.
///
/// # Errors
/// The first error of `look`.
pub fn until<T, E>(
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that polls: other programs' processes give no event to wait for"
)]
fn pause() {
    std::thread::sleep(STEP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_condition_with_the_limit_or_with_an_error() {
        let mut looks = 0;
        let found: Result<_, ()> = until(Duration::from_secs(60), || {
            looks += 1;
            Ok((looks == 3).then_some("there"))
        });
        assert_eq!(found, Ok(Some("there")));
        assert_eq!(until::<(), ()>(Duration::ZERO, || Ok(None)), Ok(None));
        assert_eq!(until::<(), _>(Duration::from_secs(60), || Err("broken")), Err("broken"));
    }
}
