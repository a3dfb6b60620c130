use super::*;
use crate::ReconcileError;
use crate::audit::Audit;
use crate::engine::{Engine, EngineOptions};
use crate::home::{Home, MaterialKind};
use crate::numbers::Numbers;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gitops::spec::{
    API_VERSION, GitSync, KIND, LocalRef, NotifyEvent, Operation, Status, SyncKey, Tenancy,
};
use gitops::webhook::{Headers, verify};
use model::SystemClock;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use testbed::certificates::Authority;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A home with Secrets and nothing else.
#[derive(Default)]
struct Drawer {
    secrets: Mutex<BTreeMap<String, Material>>,
    told: Mutex<Vec<News>>,
    idle: AtomicBool,
}

impl Drawer {
    fn with(pairs: &[(&str, &str)]) -> Arc<Self> {
        let drawer = Self::default();
        drawer.put(pairs);
        Arc::new(drawer)
    }

    fn put(&self, pairs: &[(&str, &str)]) {
        let pair = |(key, text): &(&str, &str)| ((*key).to_owned(), text.as_bytes().to_vec());
        let material = Material(pairs.iter().map(pair).collect());
        lock(&self.secrets).insert("hook".to_owned(), material);
    }
}

impl Home for Drawer {
    fn client<'a>(
        &'a self,
        _: &'a Valid,
    ) -> BoxFuture<'a, Result<cluster::Client, ReconcileError>> {
        unreachable!("a letter needs no cluster")
    }

    fn material<'a>(
        &'a self,
        _: &'a SyncKey,
        _: MaterialKind,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        unreachable!("it is read with the rights of the GitSync")
    }

    fn own_secret<'a>(
        &'a self,
        _: &'a Valid,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        std::future::ready(Ok(lock(&self.secrets).get(name).cloned())).boxed()
    }

    fn cluster_name(&self, _: &SyncKey) -> String {
        "prod".to_owned()
    }

    fn write_status<'a>(
        &'a self,
        _: &'a GitSync,
        _: &'a Status,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        unreachable!("the syncer writes")
    }

    fn hold<'a>(&'a self, _: &'a GitSync, _: bool) -> BoxFuture<'a, Result<(), ReconcileError>> {
        unreachable!("the syncer holds")
    }

    fn tell<'a>(&'a self, _: &'a GitSync, news: News) -> BoxFuture<'a, ()> {
        lock(&self.told).push(news);
        std::future::ready(()).boxed()
    }

    fn may_act(&self) -> bool {
        !self.idle.load(Ordering::Relaxed)
    }

    fn actor(&self, _: &Valid) -> String {
        String::new()
    }
}

fn inner(home: &Arc<Drawer>) -> Arc<Inner> {
    let options = EngineOptions {
        concurrency: 1,
        cache: std::path::PathBuf::new(),
        tenancy: Tenancy::Single,
        clock: Arc::new(SystemClock),
        audit: Audit::nowhere(),
        shard: (0, 1),
    };
    let numbers = Numbers::register(&cluster::Metrics::new());
    Engine::new(home.clone(), options, numbers, CancellationToken::new()).0
}

fn receiver(kind: NotifyKind, url: &str) -> Notify {
    let secret_ref = LocalRef { name: "hook".to_owned() };
    Notify { kind, url: Some(url.to_owned()), secret_ref, ..Notify::default() }
}

fn valid(notify: Vec<Notify>) -> Valid {
    let mut sync = GitSync::default();
    API_VERSION.clone_into(&mut sync.api_version);
    KIND.clone_into(&mut sync.kind);
    sync.metadata.name = "web".to_owned();
    sync.metadata.namespace = "team".to_owned();
    sync.spec.source.url = "https://git.example/team/shop.git".to_owned();
    sync.spec.source.r#ref.branch = Some("main".to_owned());
    sync.spec.notify = notify;
    Valid::new(sync, Tenancy::Single).unwrap()
}

fn letter(revision: &str, event: NotifyEvent) -> (Letter, Option<Notified>) {
    let operation = Operation { revision: revision.to_owned(), ..Operation::default() };
    let (id, message) = (format!("{revision}-{event:?}"), "it is well".to_owned());
    let told = Notified { revision: revision.to_owned(), event };
    (Letter { event, operation, message, id }, Some(told))
}

/// A post whose task does not run.
fn post(home: &Arc<Drawer>, kind: NotifyKind) -> (Post, Arc<Mailbox>) {
    let (shared, mailbox) = (inner(home), Arc::new(Mailbox::default()));
    let to = receiver(kind, "https://forge.example/");
    (Post::new(&shared, &mailbox, &valid(vec![to.clone()]), &to), mailbox)
}

fn sending(revision: &str) -> Arc<Sending> {
    let (letter, told) = letter(revision, NotifyEvent::Succeeded);
    Arc::new(Sending { letter, told, left: AtomicUsize::new(1) })
}

fn waiting(post: &Post) -> Vec<String> {
    let queue = lock(&post.queue);
    queue.iter().map(|sending| sending.letter.operation.revision.clone()).collect()
}

/// One request as it came: its headers and its body.
type Heard = (Vec<(String, String)>, Vec<u8>);

/// Reads one request and takes it.
async fn take(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: &UnboundedSender<Heard>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut part).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&part[..count]),
            _ => return,
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    let headers: Vec<_> = text.lines().filter_map(pair).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head + 4 + length {
        let count = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..count]);
    }
    let signed = String::from_utf8_lossy(&bytes[..head]).into_owned();
    // A signature is not the same in small letters.
    let headers = signed.lines().filter_map(pair).collect();
    let _ = to.send((headers, bytes[head + 4..].to_vec()));
    let _ = stream.write_all(b"HTTP/1.1 204 Taken\r\nConnection: close\r\n\r\n").await;
}

/// A receiver on the loopback, with TLS when it is given an acceptor.
async fn ear(tls: Option<tokio_rustls::TlsAcceptor>) -> (u16, UnboundedReceiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => take(stream, &sender).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => take(stream, &sender).await,
                    Err(_) => continue,
                },
            }
        }
    });
    (port, heard)
}

fn acceptor(authority: &Authority) -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let made = authority.issue("receiver", "", &["localhost"], &[]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let leaf = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    Arc::new(config).into()
}

#[tokio::test]
async fn a_letter_arrives_signed_at_all_who_want_it_and_is_written_down_then() {
    let home = Drawer::with(&[("token", SECRET)]);
    let (port, mut heard) = ear(None).await;
    let url = format!("http://127.0.0.1:{port}/hook");
    let mut drift = receiver(NotifyKind::Webhook, &url);
    drift.events = vec![NotifyEvent::Drift];
    let valid = valid(vec![receiver(NotifyKind::Webhook, &url), drift]);
    let (shared, mailbox) = (inner(&home), Arc::new(Mailbox::default()));
    let mut letters = Letters::new();
    assert!(letters.is_empty());
    letters.aim(&valid, &shared, &mailbox);
    let (one, told) = letter("a", NotifyEvent::Succeeded);
    letters.send(one, told.clone());
    let (headers, body) = heard.recv().await.unwrap();
    let pairs: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let now = Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    assert!(verify(Headers(&pairs), &body, &[SECRET.as_bytes()], None, now).is_ok(), "{pairs:?}");
    assert!(String::from_utf8_lossy(&body).contains("prod"));
    mailbox.wait().await;
    assert_eq!(mailbox.take().notified, told);
    // What nobody wants is written down at once.
    let (other, told) = letter("b", NotifyEvent::Degraded);
    letters.receivers.remove(0);
    letters.send(other, told.clone());
    assert_eq!(mailbox.take().notified, told);
}

#[tokio::test]
async fn a_receiver_with_an_authority_of_its_own_is_trusted_by_the_one_that_its_secret_names() {
    let authority = Authority::new("its own").unwrap();
    let (port, mut heard) = ear(Some(acceptor(&authority))).await;
    let home = Drawer::with(&[("token", SECRET)]);
    let to = receiver(NotifyKind::Webhook, &format!("https://localhost:{port}/hook"));
    let mailbox = Arc::new(Mailbox::default());
    let post = Post::new(&inner(&home), &mailbox, &valid(vec![to.clone()]), &to);
    let (letter, _) = letter("a", NotifyEvent::Succeeded);
    let refused = |problem: Problem| {
        assert!(problem.message.contains("ertificate"), "{}", problem.message);
        assert!(!problem.message.contains(SECRET));
    };
    refused(post.attempt(&letter).await.err().unwrap());
    let other = Authority::new("another").unwrap();
    home.put(&[("token", SECRET), (NOTIFY_CA_KEY, other.pem())]);
    refused(post.attempt(&letter).await.err().unwrap());
    home.put(&[("token", SECRET), (NOTIFY_CA_KEY, "no certificate")]);
    refused(post.attempt(&letter).await.err().unwrap());
    assert!(heard.try_recv().is_err(), "nothing of it has reached anybody");
    // The Secret is read for each try: the next one has what was put in meanwhile.
    home.put(&[("token", SECRET), (NOTIFY_CA_KEY, authority.pem())]);
    assert!(post.attempt(&letter).await.is_ok());
    assert!(heard.recv().await.is_some());
    // And the authority of one receiver is none for the others.
    let others = post.shared.wire.send(&wire::Outgoing::get(to.base())).await;
    assert!(others.unwrap_err().to_string().contains("ertificate"));
}

#[tokio::test]
async fn an_authority_is_taken_up_to_its_bound() {
    let home = Drawer::with(&[]);
    let (post, _) = post(&home, NotifyKind::Webhook);
    let of = |size: usize| Material([(NOTIFY_CA_KEY.to_owned(), vec![b'x'; size])].into());
    assert!(post.wire(&of(NOTIFY_CA_BYTES_MAX)).is_ok());
    let problem = post.wire(&of(NOTIFY_CA_BYTES_MAX + 1)).err().unwrap();
    assert!(problem.message.contains("64 KiB"), "{}", problem.message);
}

#[tokio::test]
async fn a_queue_holds_its_bound_and_the_oldest_letter_goes_first() {
    let home = Drawer::with(&[]);
    let (post, mailbox) = post(&home, NotifyKind::Webhook);
    for n in 0..=QUEUE_LETTERS_MAX {
        post.push(sending(&n.to_string()));
    }
    let left = waiting(&post);
    assert_eq!((left.len(), left[0].as_str()), (QUEUE_LETTERS_MAX, "1"));
    // What was dropped holds the others' receipt up no more.
    assert_eq!(mailbox.take().notified.unwrap().revision, "0");
}

#[tokio::test]
async fn of_letters_about_one_commit_a_forge_gets_only_the_newest() {
    let home = Drawer::with(&[]);
    for (kind, expected) in
        [(NotifyKind::GitHub, ["b", "a"].as_slice()), (NotifyKind::Webhook, &["a", "b", "a"])]
    {
        let (post, _) = post(&home, kind);
        ["a", "b", "a"].into_iter().for_each(|revision| post.push(sending(revision)));
        assert_eq!(waiting(&post), expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_never_arrives_is_given_up_after_its_tries_and_told() {
    let home = Drawer::with(&[("other", "x")]);
    let (post, mailbox) = post(&home, NotifyKind::Webhook);
    let (one, next) = (sending("a"), sending("b"));
    post.push(one.clone());
    post.push(next.clone());
    let began = tokio::time::Instant::now();
    assert!(!post.deliver(&one).await);
    // Nine pauses that double from a second on, each at least half of it.
    assert!(began.elapsed() > PAUSE_MIN * 128, "{:?}", began.elapsed());
    let told = std::mem::take(&mut *lock(&home.told));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].reason, "NotificationFailed");
    assert!(told[0].note.contains("has no `token`"), "{}", told[0].note);
    assert!(mailbox.take().notified.is_none(), "it is not taken for told before it is put away");
    // One that was overtaken is not tried any more.
    lock(&post.queue).clear();
    assert!(!post.deliver(&next).await);
    assert!(lock(&home.told).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_this_process_may_not_act() {
    let home = Drawer::with(&[]);
    home.idle.store(true, Ordering::Relaxed);
    let (post, _) = post(&home, NotifyKind::Webhook);
    let one = sending("a");
    post.push(one.clone());
    let wait = PAUSE_MAX * 10;
    assert!(tokio::time::timeout(wait, post.deliver(&one)).await.is_err());
    assert!(lock(&home.told).is_empty(), "no try was counted");
}

#[tokio::test]
async fn gitops_15_a_token_is_for_the_host_of_its_receiver_and_shown_nowhere() {
    let request = || notify::Request {
        method: "POST",
        path: "/statuses".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        credential: Some(("authorization", "Bearer ")),
    };
    let made = outgoing("https://forge.example:8443/api?x", request(), "CANARY").ok().unwrap();
    let credential = made.credential.clone().unwrap();
    assert_eq!(credential.host, "forge.example:8443");
    assert!(!format!("{made:?}").contains("CANARY"));
}
