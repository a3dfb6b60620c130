//! Every commit between two revisions, for a policy that looks at each of them.

use super::*;
use repo::CommitRange;

impl Fixture {
    fn between(&self, spec: &Fetch, old: &str, new: &str) -> Result<CommitRange, RepoError> {
        Connections::new().commits_between(spec, (old, new), self.cache.path(), &GO)
    }

    /// The same question over http with and without a filter, over the first protocol's server
    /// when there is one, and in place.
    fn between_everywhere(&self, old: &str, new: &str) -> CommitRange {
        let local = Fetch::new(RepoUrl::local(self.repository.path()), Reference::Head);
        let expected = self.between(&local, old, new).unwrap();
        for filter in ["true", "false"] {
            self.repository.configure("uploadpack.allowFilter", filter).unwrap();
            let found = self.between(&self.spec("main"), old, new).unwrap();
            assert_eq!(found, expected, "filter {filter}");
        }
        expected
    }
}

fn subjects(range: &CommitRange) -> Vec<&str> {
    range.commits.iter().map(|commit| commit.subject.as_str()).collect()
}

#[test]
fn gitops_16_every_commit_of_the_range_is_there_with_those_of_merges() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.set_branch("side", &first).unwrap();
    let old = f.repository.push(&[("a", b"2")], "old").unwrap();
    f.repository.push(&[("a", b"3")], "third").unwrap();
    f.repository.commit("side", &[Change::File("b", b"1")], "side one").unwrap();
    let side = f.repository.commit("side", &[Change::File("b", b"2")], "side two").unwrap();
    let merge = f.repository.merge(&side, "merge").unwrap();
    let range = f.between_everywhere(&old, &merge);
    assert!(range.descends);
    assert_eq!(range.older, std::slice::from_ref(&first));
    assert_eq!(subjects(&range)[0], "merge");
    let mut all = subjects(&range);
    all.sort_unstable();
    assert_eq!(all, ["merge", "side one", "side two", "third"]);
    assert_eq!(range.commits[0].parents.len(), 2);
    // The parent that the server calls older is proven to be.
    assert!(f.between_everywhere(&first, &old).descends);
    // Git itself says the same.
    let listed = f.repository.git(&["rev-list", &format!("{old}..{merge}")], &[]).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    let mut found: Vec<&str> = range.commits.iter().map(|c| c.id.as_str()).collect();
    listed.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, listed);
    let places = |id: &str| range.commits.iter().position(|c| c.id == id);
    for commit in &range.commits {
        for parent in &commit.parents {
            assert!(places(parent).is_none_or(|at| Some(at) > places(&commit.id)));
        }
    }
}

#[test]
fn gitops_16_a_rewritten_branch_does_not_descend_and_nothing_new_is_an_empty_range() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    let same = f.between_everywhere(&second, &second);
    assert!(same.descends && same.commits.is_empty());
    let back = f.between_everywhere(&second, &first);
    assert!(!back.descends && back.commits.is_empty(), "{back:?}");
    let other = f.repository.force_push(&[("b", b"1")], "other").unwrap();
    let rewritten = f.between_everywhere(&second, &other);
    assert!(!rewritten.descends);
    assert_eq!(subjects(&rewritten), ["other"]);
}

#[test]
fn commits_are_read_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"0")], "first").unwrap();
    let mut last = String::new();
    for number in 0..6 {
        let text = format!("{number}");
        last = f.repository.push(&[("a", text.as_bytes())], &text).unwrap();
    }
    let local = Fetch::new(RepoUrl::local(f.repository.path()), Reference::Head);
    for filter in ["true", "false"] {
        f.repository.configure("uploadpack.allowFilter", filter).unwrap();
        for mut spec in [f.spec("main"), local.clone()] {
            spec.limits.range_commits = 6;
            let range = f.between(&spec, &first, &last).unwrap();
            assert_eq!(subjects(&range), ["5", "4", "3", "2", "1", "0"]);
            let bytes: usize = range.commits.iter().map(|commit| commit.raw().len()).sum();
            spec.limits.range_bytes = bytes;
            assert_eq!(f.between(&spec, &first, &last).unwrap().commits.len(), 6);
            spec.limits.range_bytes = bytes - 1;
            let error = f.between(&spec, &first, &last).unwrap_err();
            let told = matches!(error, RepoError::TooMany { what: "bytes of commits", .. });
            assert!(told, "{error:?}");
            spec.limits.range_commits = 5;
            let error = f.between(&spec, &first, &last).unwrap_err();
            let told = matches!(error, RepoError::TooMany { what: "commits", limit: 5, .. });
            assert!(told, "{error:?}");
        }
    }
}

#[test]
fn gitops_16_only_commits_are_received_where_the_server_filters_and_nothing_is_kept() {
    let f = fixture();
    f.repository.configure("uploadpack.allowFilter", "true").unwrap();
    let noise: Vec<u8> =
        (0..20_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.push(&[("noise", &noise)], "second").unwrap();
    let third = f.repository.push(&[("noise", b"2")], "third").unwrap();
    let mut spec = f.spec("main");
    spec.limits.pack_bytes = 1000;
    let range = f.between(&spec, &first, &third).unwrap();
    assert_eq!(subjects(&range), ["third", "second"]);
    assert!(files(f.cache.path(), ".pack").is_empty());
    // An older revision that the server does not know any more: all it has, none of it known.
    let gone = "ab".repeat(20);
    let range = f.between(&f.spec("main"), &gone, &third).unwrap();
    assert!(!range.descends);
    assert_eq!(range.commits.len(), 3);
    let error = f.between(&spec, &first, &gone).unwrap_err();
    assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
    assert!(f.between(&spec, "main", &third).is_err());
}

#[test]
fn gitops_16_what_a_signature_covers_is_byte_equal_with_what_git_has() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let tag = f.repository.annotated_tag("v1", &first).unwrap();
    let tree = f.fetch("v1").unwrap();
    let commit = tree.commit().unwrap();
    let git = |kind: &str, id: &str| f.repository.git(&["cat-file", kind, id], &[]).unwrap();
    assert_eq!(String::from_utf8_lossy(commit.raw()).trim_end(), git("commit", &first));
    assert_eq!(tree.tags().len(), 1);
    let found = &tree.tags()[0];
    assert_eq!(String::from_utf8_lossy(found.raw()).trim_end(), git("tag", &tag));
    assert_eq!((found.id.as_str(), found.target.as_str()), (tag.as_str(), first.as_str()));
    assert_eq!((found.name.as_str(), found.subject.as_str()), ("v1", "v1"));
    assert_eq!(found.tagger.as_ref().unwrap().email, "test@example.org");
    assert!(f.fetch("main").unwrap().tags().is_empty());
}

#[test]
fn gitops_15_a_file_has_the_same_content_id_wherever_it_is() {
    let f = fixture();
    f.repository.push(&[("a", b"1"), ("b", b"2"), ("c", b"1")], "first").unwrap();
    let tree = f.fetch("main").unwrap();
    let entries = tree.list(&GO).unwrap().entries;
    let ids: Vec<String> = entries.iter().map(|e| e.blob_id().unwrap().to_string()).collect();
    assert_eq!(ids[0], f.repository.id("main:a").unwrap());
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "1").unwrap();
    let tree = Tree::directory(folder.path(), Limits::default()).unwrap();
    assert!(tree.list(&GO).unwrap().entries[0].blob_id().is_none());
}
