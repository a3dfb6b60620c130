//! What needs no cluster: help, version, mistakes on the command line and in the config file.

use crate::support::Desk;
use expect_test::expect;
use std::process::Stdio;

#[test]
fn version_tells_release_commit_and_planes_and_more_as_json() {
    let desk = Desk::new();
    let line = desk.run(&["--version"]);
    assert_eq!((line.code, line.stderr.as_str()), (Some(0), ""));
    assert!(line.stdout.starts_with("orlop 0.1.0 ("), "{}", line.stdout);
    assert!(line.stdout.ends_with("; cli, controller, agent)\n"), "{}", line.stdout);
    assert_eq!(desk.run(&["-V"]).stdout, line.stdout);
    assert_eq!(desk.run(&["agent", "--version"]).stdout, line.stdout);
    let json: serde_json::Value =
        serde_json::from_str(&desk.run(&["version", "-o", "json"]).stdout).unwrap();
    for key in ["version", "commit", "features", "rustc", "profile", "target"] {
        assert!(!json[key].is_null(), "{key} is missing in {json}");
    }
}

#[test]
fn the_first_help_fits_on_a_screen() {
    let ran = Desk::new().run(&["--help"]);
    expect![[r#"
        exit: 0
        --- stdout
        Orlop delivers Git trees to Kubernetes and keeps watch over them

        Usage: orlop [OPTIONS] [COMMAND]

        Commands:
          sync         Deliver a tree of manifests to a cluster
          help         Explain a topic or a command
          completions  Print a completion script for a shell
          man          Print the manual page, or write every page to a folder
          version      Print what this binary was built from

        Options:
          -V, --version  Print release, commit and planes
          -h, --help     Print help

        Global options:
              --color <WHEN>   Use colours: auto, always or never [default: auto]
              --config <FILE>  Config file [default: ~/.config/orlop/config.yaml]

        Other planes of this binary:
          controller   Watch over deliveries from inside the cluster
          agent        Collect the logs of this node, losing none

        `orlop help TOPIC` explains one of: sync, sources, prune, secrets, exit-codes, plan-schema,
        environment, config.
        --- stderr
    "#]]
    .assert_eq(&ran.show());
}

#[test]
fn every_topic_is_printed_and_an_unknown_one_is_answered_with_the_nearest() {
    let desk = Desk::new();
    for topic in [
        "sync",
        "sources",
        "prune",
        "secrets",
        "exit-codes",
        "plan-schema",
        "environment",
        "config",
    ] {
        let ran = desk.run(&["help", topic]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{topic}");
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 200), "{topic}");
    }
    assert!(desk.run(&["help", "sync", "plan"]).stdout.contains("--prune-limit"));
    assert!(desk.run(&["help", "controller"]).stdout.contains("--lease-seconds"));
    expect![[r"
        exit: 64
        --- stdout
        --- stderr
        error: there is no topic or command `exit-code`
          hint: did you mean `exit-codes`?
    "]]
    .assert_eq(&desk.run(&["help", "exit-code"]).show());
}

#[test]
fn exit_codes_are_documented_in_the_help_of_each_verb() {
    let ran = Desk::new().run(&["sync", "plan", "--help"]);
    assert_eq!(ran.code, Some(0));
    let exits = ran.stdout.split("Exit codes:").nth(1).unwrap();
    for code in ["0", "1", "2", "64", "130"] {
        assert!(exits.lines().any(|line| line.trim_start().starts_with(code)), "{exits}");
    }
}

#[test]
fn a_mistake_on_the_command_line_ends_in_64_and_says_what_was_meant() {
    let desk = Desk::new();
    expect![[r"
        exit: 64
        --- stdout
        --- stderr
        error: this build has no `snyc`; it has: sync, help, completions, man, version, controller, agent
          hint: did you mean `orlop sync`?
    "]]
    .assert_eq(&desk.run(&["snyc"]).show());
    let ran = desk.run(&["generate-everything"]);
    assert!(!ran.stderr.contains("`generate`"), "a hidden command is proposed: {}", ran.stderr);
    let ran = desk.run(&["sync", "snyc"]);
    assert!(ran.stderr.contains("unrecognized subcommand"), "{}", ran.stderr);
    let ran = desk.run(&["sync", "plan", "--nmae", "x", "."]);
    assert_eq!(ran.code, Some(64));
    assert!(ran.stderr.contains("'--name'"), "{}", ran.stderr);
    for line in [
        vec![],
        vec!["sync"],
        vec!["sync", "plan"],
        vec!["sync", "plan", "--ref", "main", "."],
        vec!["sync", "plan", "--git", "https://git.example/x.git", "dir"],
        vec!["sync", "plan", "--timeout", "30", "."],
        vec!["sync", "plan", "--concurrency", "0", "."],
        vec!["sync", "apply", "--plan", "p.json", "--prune", "."],
        vec!["sync", "status"],
        vec!["sync", "delete", "shop"],
        vec!["sync", "plan", "--name", "Shop!", "."],
        vec!["controller", "run", "--lisen", "x"],
    ] {
        let ran = desk.run(&line);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{line:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{line:?}");
    }
}

#[test]
fn the_config_file_is_checked_as_a_whole_with_lines() {
    let desk = Desk::new();
    desk.file("c.yaml", "sync:\n  timeout: 5\n  prun: true\n");
    expect![[r"
        exit: 64
        --- stdout
        --- stderr
        error: the config file is wrong:
            c.yaml:2: `sync.timeout` must be a duration such as 30s: `5` has no unit: write for example `5s`
            c.yaml:3: unknown field `sync.prun`; did you mean `sync.prune`?
          hint: did you mean `sync.prune`?
    "]]
    .assert_eq(&desk.run(&["sync", "list", "--config", "c.yaml"]).show());
}

#[test]
fn the_log_filter_is_checked() {
    let mut desk = Desk::new();
    desk.variable("ORLOP_LOG", "loud=very");
    let ran = desk.run(&["version"]);
    assert_eq!(ran.code, Some(64));
    assert!(ran.stderr.contains("ORLOP_LOG"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let mut child = desk.command(&["help", "plan-schema"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = desk.wait(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_documents_are_written_the_same_each_time_and_hold_no_terminal_codes() {
    let mut desk = Desk::new();
    assert_eq!(desk.run(&["generate", "one"]).code, Some(0));
    desk.variable("COLUMNS", "40");
    assert_eq!(desk.run(&["generate", "two"]).code, Some(0));
    let names = [
        "cli/orlop-sync-apply.md",
        "cli/orlop-controller.md",
        "man/orlop-sync.1",
        "completions/orlop.zsh",
        "exit-codes.md",
        "plan-schema.json",
        "deploy/controller/roles.yaml",
    ];
    for name in names {
        let read = |folder: &str| std::fs::read_to_string(desk.path().join(folder).join(name));
        let (one, two) = (read("one").unwrap(), read("two").unwrap());
        assert!(!one.is_empty() && one == two, "{name}");
        assert!(!one.contains('\u{1b}'), "{name}");
    }
}
