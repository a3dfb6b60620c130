use super::*;
use proptest::prelude::*;

const CANARY: &str = "canary-7f3a";

fn shown(text: &str) -> String {
    RepoUrl::parse(text).unwrap().to_string()
}

fn refused(text: &str) -> String {
    RepoUrl::parse(text).unwrap_err().to_string()
}

#[test]
fn every_form_of_a_git_url_is_understood() {
    assert_eq!(shown("https://example.org/a/b.git"), "https://example.org/a/b.git");
    assert_eq!(shown("HTTPS://Example.org:8443/a"), "https://example.org:8443/a");
    assert_eq!(
        shown("ssh://git@example.org:2222/srv/a.git"),
        "ssh://git@example.org:2222/srv/a.git"
    );
    assert_eq!(shown("ssh://example.org/~/a.git"), "ssh://example.org/~/a.git");
    assert_eq!(shown("git@example.org:team/a.git"), "ssh://git@example.org/~/team/a.git");
    assert_eq!(shown("git@example.org:/srv/a.git"), "ssh://git@example.org/srv/a.git");
    assert_eq!(shown("[::1]:a.git"), "ssh://::1/~/a.git");
    assert_eq!(shown("file:///srv/with%20blank.git"), "/srv/with blank.git");
    assert_eq!(shown("/srv/a.git"), "/srv/a.git");
    assert_eq!(shown("./a:b"), "./a:b");
}

#[test]
fn what_cannot_be_a_git_url_says_why() {
    let bad = [
        "",
        "https://",
        "https:///a",
        "git://example.org/a",
        "ftp://example.org/a",
        "https://example.org/a?token=x",
        "ssh://example.org",
        "ssh://-oProxyCommand=x/a",
        "-oProxyCommand=x:a",
        "git@-x:a",
        "-x@host:a",
        "git@host:",
        "git@host:-a",
        "file://srv/a",
        "ssh://host:port/a",
        "file:///a%zz",
        "https://exa mple.org/a",
        "a\nb",
    ];
    for text in bad {
        assert!(RepoUrl::parse(text).is_err(), "{text}");
    }
    assert!(RepoUrl::parse(&"a".repeat(URL_BYTES_MAX)).is_ok());
    assert!(RepoUrl::parse(&"a".repeat(URL_BYTES_MAX + 1)).is_err());
}

#[test]
fn gitops_15_embedded_credentials_are_kept_and_never_shown() {
    let url = RepoUrl::parse(&format!("https://me:p%40{CANARY}@example.org/a")).unwrap();
    let credentials = url.credentials().unwrap();
    assert_eq!(credentials.username, "me");
    assert_eq!(credentials.password.reveal(), format!("p@{CANARY}"));
    assert_eq!(url.to_string(), "https://example.org/a");
    assert!(!format!("{url:?}").contains(CANARY));

    let token = RepoUrl::parse(&format!("https://{CANARY}@example.org/a")).unwrap();
    assert_eq!(token.credentials().unwrap().username, CANARY);
    assert!(!format!("{token} {token:?}").contains(CANARY));

    let ssh = RepoUrl::parse(&format!("ssh://git:{CANARY}@example.org/a")).unwrap();
    assert!(!format!("{ssh} {ssh:?}").contains(CANARY));
}

#[test]
fn gitops_15_a_refused_url_does_not_show_its_credentials() {
    for text in [
        format!("ftp://me:{CANARY}@example.org/a"),
        format!("https://me:{CANARY}@/a"),
        format!("https://me:{CANARY}@example.org/a?x=1"),
        format!("https://example.org/a?token={CANARY}"),
        format!("ssh://me:{CANARY}@-x/a"),
        format!("me:{CANARY}@host:"),
        format!("https://me:{CANARY}/@exa mple.org/a"),
    ] {
        let message = refused(&text);
        assert!(!message.contains(CANARY), "{text}: {message}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_url_or_an_error(text in "\\PC{0,80}") {
        if let Ok(url) = RepoUrl::parse(&text) {
            let _ = url.to_string();
        }
    }

    #[test]
    fn a_password_of_any_letters_is_never_shown(
        password in "[a-zA-Z0-9%!$&'()*+,;=:]{12,30}",
        scheme in "https|http|ssh|ftp|git",
        rest in "(example.org|[a-z.:]{0,9})(/[a-z/]{0,9})?",
    ) {
        let text = format!("{scheme}://u:{password}@{rest}");
        let shown = match RepoUrl::parse(&text) {
            Ok(url) => format!("{url} {url:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(&password), "{shown}");
    }
}
