//! Leader election on a shared API server.

use crate::{PATIENCE, cluster};
use cluster::{Client, LeaseOptions, LeaseTimes};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Who began or stopped to lead, and with which fence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) identity: &'static str,
    pub(crate) fence: i64,
    pub(crate) leads: bool,
    /// When it happened.
    pub(crate) at: std::time::Instant,
}

/// Candidates for one lease; dropping them ends the competition.
pub(crate) struct Candidates {
    namespace: String,
    times: LeaseTimes,
    sender: UnboundedSender<Turn>,
    told: UnboundedReceiver<Turn>,
    stops: Vec<(&'static str, CancellationToken)>,
}

impl Candidates {
    pub(crate) fn new(namespace: &str, times: LeaseTimes) -> Self {
        let (sender, told) = unbounded_channel();
        Self { namespace: namespace.to_owned(), times, sender, told, stops: Vec::new() }
    }

    pub(crate) fn add(&mut self, client: &Client, identity: &'static str) {
        let stop = CancellationToken::new();
        self.stops.push((identity, stop.clone()));
        let options = LeaseOptions {
            namespace: self.namespace.clone(),
            name: "leader".into(),
            identity: identity.into(),
            times: self.times,
        };
        let (client, sender) = (client.clone(), self.sender.clone());
        tokio::spawn(async move {
            let work = move |leadership: cluster::Leadership| {
                let sender = sender.clone();
                async move {
                    let fence = leadership.fence();
                    let tell = |leads| {
                        let at = std::time::Instant::now();
                        // A test that is over listens no more.
                        let _ = sender.send(Turn { identity, fence, leads, at });
                    };
                    assert!(leadership.holds());
                    tell(true);
                    leadership.token().cancelled().await;
                    assert!(!leadership.holds());
                    tell(false);
                }
            };
            client.lead(options, Arc::new(model::SystemClock), stop, work).await;
        });
    }

    pub(crate) fn stop(&self, identity: &str) {
        let (_, stop) = self.stops.iter().find(|(own, _)| *own == identity).unwrap();
        stop.cancel();
    }

    pub(crate) async fn next(&mut self) -> Turn {
        tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("a turn in time").unwrap()
    }
}

impl Drop for Candidates {
    fn drop(&mut self) {
        self.stops.iter().for_each(|(_, stop)| stop.cancel());
    }
}

#[tokio::test]
async fn two_candidates_share_a_lease_one_after_the_other() {
    let Some((client, namespace)) = cluster().await else { return };
    // Long, because a busy machine must not take it away; a released lease is free at once.
    let times = LeaseTimes::new(60, Duration::from_secs(40), Duration::from_millis(500)).unwrap();
    let mut candidates = Candidates::new(namespace.name(), times);
    candidates.add(&client, "a");
    candidates.add(&client, "b");
    let first = candidates.next().await;
    assert!(first.leads && client.metrics().render().contains("orlop_leader 1"));
    candidates.stop(first.identity);
    let ended = candidates.next().await;
    assert_eq!((ended.identity, ended.fence, ended.leads), (first.identity, first.fence, false));
    let second = candidates.next().await;
    assert!(second.leads && second.identity != first.identity, "{second:?}");
    assert!(second.fence > first.fence, "{second:?}");
}
