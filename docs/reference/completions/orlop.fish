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
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -l color -d 'Use colours: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -l config -d 'Config file [default: ~/.config/orlop/config.yaml]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -s h -l help -d 'Print help'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "plan" -d 'Show what would be done'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "apply" -d 'Deliver the tree and wait until it is healthy'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "diff" -d 'Show every field that would change, with whole values'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "status" -d 'Show a delivery\'s objects with their health'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "list" -d 'List the deliveries of a cluster'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and not __fish_seen_subcommand_from plan apply diff status list delete" -f -a "delete" -d 'Delete a delivery\'s objects, or let go of them with --orphan'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git -d 'Git repository: https, http, ssh or a local path; never with a password in it' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l ref -d 'Branch, tag or commit [default: the repository\'s default branch]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l path -d 'Folder inside the repository' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git-ssh-key -d 'Private key for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l known-hosts -d 'Known host keys for ssh' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l git-ca -d 'Certificate authorities for https, in PEM, beside the system\'s' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from plan" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
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
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from apply" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
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
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the Pod\'s service account]' -r -F
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l context -d 'Context of the kubeconfig' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l timeout -d 'Longest time for one request [default: 30s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -l concurrency -d 'Requests under way at once, 1 to 256 [default: 16]' -r
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
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l name -d 'Name of the delivery [default: the name of the folder or of the repository]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Namespace of objects that name none [default: the context\'s]' -r
complete -c orlop -n "__fish_orlop_using_subcommand sync; and __fish_seen_subcommand_from status" -l inventory-namespace -d 'Namespace of the inventory [default: as --namespace]' -r
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
