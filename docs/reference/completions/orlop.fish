# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_orlop_global_optspecs
    string join \n V/version color= config= h/help
end

function __fish_orlop_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_orlop_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_orlop_using_subcommand
    set -l cmd (__fish_orlop_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c orlop -n "__fish_orlop_needs_command" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_needs_command" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_needs_command" -s V -l version -d 'Print release, commit and planes'
complete -c orlop -n "__fish_orlop_needs_command" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "sync" -d 'Deliver a tree of manifests to a cluster'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "help" -d 'Explain a topic or a command'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "man" -d 'Print the manual page, or write every page to a folder'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "version" -d 'Print what this binary was built from'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "generate" -d 'Write the reference pages, man pages, completions and deploy manifests'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "controller" -d 'Watch over deliveries from inside the cluster'
complete -c orlop -n "__fish_orlop_needs_command" -f -a "agent" -d 'Collect the logs of this node, losing none'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "plan" -d 'Show what would be done'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "apply" -d 'Deliver the tree and wait until it is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "diff" -d 'Show every field that would change, with whole values'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "status" -d 'Show a delivery\'s objects with their health'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "list" -d 'List the deliveries of a cluster'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "delete" -d 'Delete a delivery\'s objects, or let go of them with --orphan'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "run" -d 'Deliver the GitSyncs of a file continuously, from this host'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "get" -d 'List the GitSyncs of a cluster, or show one'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "describe" -d 'Show a GitSync: what it wants, what it did, what keeps it'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "tree" -d 'Show the objects of a GitSync as a tree with their health'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "history" -d 'Show the last operations of a GitSync'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "report" -d 'Show deployment frequency, failure rate, time to restore, duration, coverage'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "reconcile" -d 'Ask a GitSync for a run at once, and wait for its end'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "suspend" -d 'Stop a GitSync: nothing is delivered or healed until it is resumed'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "resume" -d 'Let a GitSync go on after `suspend` or `rollback`'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete run get describe tree history report reconcile suspend resume rollback" -f -a "rollback" -d 'Deliver a revision of the history that was healthy, until `resume`'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git -d 'Git repository: https, http, ssh or a local path; never with a password in it' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l ref -d 'Branch, tag or commit [default: the repository\'s default branch]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l path -d 'Folder inside the repository' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git-ssh-key -d 'Private key for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l known-hosts -d 'Known host keys for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git-ca -d 'Certificate authorities for https, in PEM, beside the system\'s' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l as-service-account -d 'Act as this service account: everything that is read and written' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l ignore -d 'Leave fields to others, as in Deployment.apps:/spec/replicas or *:manager=NAME: neither shown nor overwritten; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l force-recreate -d 'Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force: recreate. Never a Namespace, a definition, a volume or its claim [default: annotated]' -r -f -a "never\t'Never'
annotated\t'An object with the annotation'
always\t'Every object'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l prune-limit -d 'Prune at most so many objects, or such a share of the inventory; may be given for each [default: 100 and 50%]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l prune-kind -d 'Prune objects of this guarded kind, as in Namespace; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l out -d 'Also write the plan to a file, for `apply --plan`' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l force-conflicts -d 'Take fields that other field managers own'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l prune -d 'Delete objects that left the tree'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l prune-empty -d 'Prune also when the tree is empty'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l prune-last -d 'Prune last, when what was delivered is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l git -d 'Git repository: https, http, ssh or a local path; never with a password in it' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l ref -d 'Branch, tag or commit [default: the repository\'s default branch]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l path -d 'Folder inside the repository' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l git-ssh-key -d 'Private key for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l known-hosts -d 'Known host keys for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l git-ca -d 'Certificate authorities for https, in PEM, beside the system\'s' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l as-service-account -d 'Act as this service account: everything that is read and written' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l ignore -d 'Leave fields to others, as in Deployment.apps:/spec/replicas or *:manager=NAME: neither shown nor overwritten; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l force-recreate -d 'Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force: recreate. Never a Namespace, a definition, a volume or its claim [default: annotated]' -r -f -a "never\t'Never'
annotated\t'An object with the annotation'
always\t'Every object'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l prune-limit -d 'Prune at most so many objects, or such a share of the inventory; may be given for each [default: 100 and 50%]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l prune-kind -d 'Prune objects of this guarded kind, as in Namespace; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l plan -d 'Do exactly what this saved plan says, or nothing when tree or cluster moved on. The plan brings its own options' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l wait-timeout -d 'Longest wait for readiness and for health [default: 5m]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l force-conflicts -d 'Take fields that other field managers own'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l prune -d 'Delete objects that left the tree'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l prune-empty -d 'Prune also when the tree is empty'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l prune-last -d 'Prune last, when what was delivered is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l dry-run -d 'Plan only, as `orlop sync plan`'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l no-wait -d 'Do not wait until everything is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l git -d 'Git repository: https, http, ssh or a local path; never with a password in it' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l ref -d 'Branch, tag or commit [default: the repository\'s default branch]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l path -d 'Folder inside the repository' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l git-ssh-key -d 'Private key for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l known-hosts -d 'Known host keys for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l git-ca -d 'Certificate authorities for https, in PEM, beside the system\'s' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l as-service-account -d 'Act as this service account: everything that is read and written' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l ignore -d 'Leave fields to others, as in Deployment.apps:/spec/replicas or *:manager=NAME: neither shown nor overwritten; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l force-recreate -d 'Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force: recreate. Never a Namespace, a definition, a volume or its claim [default: annotated]' -r -f -a "never\t'Never'
annotated\t'An object with the annotation'
always\t'Every object'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l prune-limit -d 'Prune at most so many objects, or such a share of the inventory; may be given for each [default: 100 and 50%]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l prune-kind -d 'Prune objects of this guarded kind, as in Namespace; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l force-conflicts -d 'Take fields that other field managers own'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l prune -d 'Delete objects that left the tree'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l prune-empty -d 'Prune also when the tree is empty'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l prune-last -d 'Prune last, when what was delivered is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l as-service-account -d 'Act as this service account: everything that is read and written' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l as-service-account -d 'Act as this service account: everything that is read and written' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l prune-kind -d 'Delete also objects of this guarded kind, as in Namespace; may be repeated' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l wait-timeout -d 'Longest wait for readiness and for health [default: 5m]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l orphan -d 'Leave the objects and only remove labels and inventory'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l yes -d 'Delete without asking; needed unless --orphan is given'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -l no-wait -d 'Do not wait until everything is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from run" -l config -d 'File with GitSync documents, and at most one AgentConfig' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from run" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -s n -l namespace -d 'Namespace [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -s A -l all-namespaces -d 'Those of all namespaces'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l limit -d 'How many operations are shown, newest first; up to 1,000 are kept' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l window -d 'The time up to now that is looked at; 1,000 operations of a GitSync are kept' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -s n -l namespace -d 'Namespace [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -s A -l all-namespaces -d 'GitSyncs of all namespaces'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l dry-run -d 'Let the server check the change and keep nothing of it'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -l no-wait -d 'Do not wait until the run was made'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -l dry-run -d 'Let the server check the change and keep nothing of it'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from suspend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -l dry-run -d 'Let the server check the change and keep nothing of it'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -s n -l namespace -d 'Namespace of the GitSync [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l reason -d 'Why; kept on the GitSync' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l to -d 'The revision [default: the newest healthy one before the present one]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -l dry-run -d 'Let the server check the change and keep nothing of it'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand help" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand help" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand help" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand completions" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand completions" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand man" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand man" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand man" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand version" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'One JSON document, stable'
yaml\t'The same document as YAML'"
complete -c orlop -n "__fish_orlop_using_subcommand version" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand version" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand generate" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand generate" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand generate" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand controller; and not __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand controller; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Reconcile GitSyncs until SIGTERM or SIGINT'
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l kubeconfig -d 'Kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l context -d 'Context of the kubeconfig' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l namespace -d 'Namespace of the Lease [default: orlop-system]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l listen -d 'Where /metrics, /healthz and /readyz are served [default: 127.0.0.1:8080]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l identity -d 'Unique name in the election [default: $POD_NAME or the host\'s name, and the process]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l lease-seconds -d 'How long the Lease of a leader that is gone holds, 2 to 300 [default: 2]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l cache -d 'Where fetched Git objects are kept [default: /var/cache/orlop]' -r -f -a "(__fish_complete_directories)"
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l tenancy -d '`multi`: GitSyncs must name a service account; `single`: they need not [default: multi]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l shards -d 'Into how many shards GitSyncs are divided, 1 to 64 [default: 1]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l shard-index -d 'Which of the shards this process works on, from 0 [default: 0]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -l cluster-name -d 'What notifications and commit statuses call this cluster [default: nothing]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand controller; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -f -a "run" -d 'Collect logs until SIGTERM or SIGINT; SIGHUP loads the config again'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -f -a "check-config" -d 'Tell every mistake of a config file'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -f -a "status" -d 'Ask a running agent how it is'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -f -a "tap" -d 'Show live what a stage of a running agent sees; lossy, slows nothing'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and not __fish_seen_subcommand_from run check-config status tap config-reference" -f -a "config-reference" -d 'Print every field of the config file, in Markdown'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from run" -l config -d 'Config file [default: none, the standard logs of the host to stdout]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from run" -l state-dir -d 'State folder [default: `state_dir` of the config, /var/lib/orlop/agent]' -r -f -a "(__fish_complete_directories)"
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from run" -l listen -d 'Where /metrics, /healthz, /readyz are served, or off' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from check-config" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from status" -l config -d 'Config file [default: none, the standard logs of the host to stdout]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from status" -l state-dir -d 'State folder [default: `state_dir` of the config, /var/lib/orlop/agent]' -r -f -a "(__fish_complete_directories)"
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from status" -l json -d 'Print JSON'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l config -d 'Config file [default: none, the standard logs of the host to stdout]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l state-dir -d 'State folder [default: `state_dir` of the config, /var/lib/orlop/agent]' -r -f -a "(__fish_complete_directories)"
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l stage -d 'raw, parsed or sampled [default: sampled]' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l file -d 'Only files whose path has this text in it' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l pod -d 'Only pods whose namespace/name has this text in it' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l count -d 'End after N records' -r -f
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -l json -d 'Print JSON lines'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from tap" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand agent; and __fish_seen_subcommand_from config-reference" -s h -l help -d 'Print help'
