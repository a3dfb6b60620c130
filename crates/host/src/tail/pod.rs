//! The path of a container's log on a node, as the kubelet lays it out.
//!
//! `…/pods/NAMESPACE_POD_UID/CONTAINER/RESTART.log`, rotated as `RESTART.log.YYYYMMDD-HHMMSS`.
//! Pure. Pods that follow each other under one name differ in their UID.

use std::path::Path;

/// Whose log a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodLog<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub pod: &'a str,
    /// The pod's UID; for a static pod the hash that the kubelet made for it.
    pub uid: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// How often the container was started again.
    pub restart: u32,
    /// When the file was rotated, `YYYYMMDD-HHMMSS`.
    pub rotated: Option<&'a str>,
}

impl<'a> PodLog<'a> {
    /// Reads a path; `None` when it has another form.
    #[must_use]
    pub fn parse(path: &'a Path) -> Option<Self> {
        let file = path.file_name()?.to_str()?;
        let directory = path.parent()?;
        let container = directory.file_name()?.to_str()?;
        let mut names = directory.parent()?.file_name()?.to_str()?.split('_');
        let (namespace, pod, uid) = (names.next()?, names.next()?, names.next()?);
        let (number, rest) = file.split_once(".log")?;
        let rotated = match rest.strip_prefix('.') {
            Some(stamp) if is_stamp(stamp) => Some(stamp),
            None if rest.is_empty() => None,
            _ => return None,
        };
        let empty = [namespace, pod, uid, container].iter().any(|name| name.is_empty());
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        if empty || names.next().is_some() || !digits {
            return None;
        }
        Some(Self { namespace, pod, uid, container, restart: number.parse().ok()?, rotated })
    }
}

fn is_stamp(text: &str) -> bool {
    text.len() == 15
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_a_path_names_its_pod_by_uid_and_its_container() {
        let path = Path::new("/var/log/pods/shop_web-1_0af3/app/2.log.20260102-030405");
        let expected = PodLog {
            namespace: "shop",
            pod: "web-1",
            uid: "0af3",
            container: "app",
            restart: 2,
            rotated: Some("20260102-030405"),
        };
        assert_eq!(PodLog::parse(path), Some(expected));
        let live = PodLog::parse(Path::new("/l/a_b_c/app/0.log")).unwrap();
        assert_eq!((live.restart, live.rotated), (0, None));
    }

    #[test]
    fn r27_other_paths_are_not_taken_for_logs_of_pods() {
        for path in [
            "/l/a_b_c/app/0.log.gz",
            "/l/a_b_c/app/0.log.20260102-030405.gz",
            "/l/a_b_c/app/x.log",
            "/l/a_b/app/0.log",
            "/l/a_b_c_d/app/0.log",
            "/l/a__c/app/0.log",
            "/l/a_b_c/app/99999999999.log",
            "0.log",
            "/",
        ] {
            assert_eq!(PodLog::parse(Path::new(path)), None, "{path}");
        }
    }
}
