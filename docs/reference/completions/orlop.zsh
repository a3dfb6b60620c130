#compdef orlop

autoload -U is-at-least

_orlop() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-V[Print release, commit and planes]' \
'--version[Print release, commit and planes]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_orlop_commands" \
"*::: :->orlop" \
&& ret=0
    case $state in
    (orlop)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:orlop-command-$line[1]:"
        case $line[1] in
            (sync)
_arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help]' \
'--help[Print help]' \
":: :_orlop__subcmd__sync_commands" \
"*::: :->sync" \
&& ret=0

    case $state in
    (sync)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:orlop-sync-command-$line[1]:"
        case $line[1] in
            (plan)
_arguments "${_arguments_options[@]}" : \
'()--git=[Git repository\: https, http, ssh or a local path; never with a password in it]:URL:_default' \
'()--ref=[Branch, tag or commit \[default\: the repository'\''s default branch\]]:REF:_default' \
'()--path=[Folder inside the repository]:DIR:_default' \
'()--git-ssh-key=[Private key for ssh]:FILE:_files' \
'()--known-hosts=[Known host keys for ssh]:FILE:_files' \
'()--git-ca=[Certificate authorities for https, in PEM, beside the system'\''s]:FILE:_files' \
'--name=[Name of the delivery \[default\: the name of the folder or of the repository\]]:NAME:_default' \
'-n+[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--inventory-namespace=[Namespace of the inventory \[default\: as --namespace\]]:NAMESPACE:_default' \
'--as-service-account=[Act as this service account\: everything that is read and written]:NAMESPACE/NAME:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'*--ignore=[Leave fields to others, as in Deployment.apps\:/spec/replicas or *\:manager=NAME\: neither shown nor overwritten; may be repeated]:KIND[.GROUP][/NAMESPACE/NAME]:POINTER:_default' \
'--force-recreate=[Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force\: recreate. Never a Namespace, a definition, a volume or its claim \[default\: annotated\]]:WHEN:((never\:"Never"
annotated\:"An object with the annotation"
always\:"Every object"))' \
'*--prune-limit=[Prune at most so many objects, or such a share of the inventory; may be given for each \[default\: 100 and 50%\]]:N|N%:_default' \
'*--prune-kind=[Prune objects of this guarded kind, as in Namespace; may be repeated]:KIND[.GROUP]:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--out=[Also write the plan to a file, for \`apply --plan\`]:FILE:_files' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--force-conflicts[Take fields that other field managers own]' \
'--prune[Delete objects that left the tree]' \
'--prune-empty[Prune also when the tree is empty]' \
'--prune-last[Prune last, when what was delivered is healthy]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::dir -- Folder or file with manifests:_files' \
&& ret=0
;;
(apply)
_arguments "${_arguments_options[@]}" : \
'()--git=[Git repository\: https, http, ssh or a local path; never with a password in it]:URL:_default' \
'()--ref=[Branch, tag or commit \[default\: the repository'\''s default branch\]]:REF:_default' \
'()--path=[Folder inside the repository]:DIR:_default' \
'()--git-ssh-key=[Private key for ssh]:FILE:_files' \
'()--known-hosts=[Known host keys for ssh]:FILE:_files' \
'()--git-ca=[Certificate authorities for https, in PEM, beside the system'\''s]:FILE:_files' \
'--name=[Name of the delivery \[default\: the name of the folder or of the repository\]]:NAME:_default' \
'-n+[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--inventory-namespace=[Namespace of the inventory \[default\: as --namespace\]]:NAMESPACE:_default' \
'--as-service-account=[Act as this service account\: everything that is read and written]:NAMESPACE/NAME:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'*--ignore=[Leave fields to others, as in Deployment.apps\:/spec/replicas or *\:manager=NAME\: neither shown nor overwritten; may be repeated]:KIND[.GROUP][/NAMESPACE/NAME]:POINTER:_default' \
'--force-recreate=[Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force\: recreate. Never a Namespace, a definition, a volume or its claim \[default\: annotated\]]:WHEN:((never\:"Never"
annotated\:"An object with the annotation"
always\:"Every object"))' \
'*--prune-limit=[Prune at most so many objects, or such a share of the inventory; may be given for each \[default\: 100 and 50%\]]:N|N%:_default' \
'*--prune-kind=[Prune objects of this guarded kind, as in Namespace; may be repeated]:KIND[.GROUP]:_default' \
'(--force-conflicts --ignore --force-recreate --prune --prune-limit --prune-empty --prune-last --prune-kind --as-service-account)--plan=[Do exactly what this saved plan says, or nothing when tree or cluster moved on. The plan brings its own options]:FILE:_files' \
'(--no-wait)--wait-timeout=[Longest wait for readiness and for health \[default\: 5m\]]:DURATION:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--force-conflicts[Take fields that other field managers own]' \
'--prune[Delete objects that left the tree]' \
'--prune-empty[Prune also when the tree is empty]' \
'--prune-last[Prune last, when what was delivered is healthy]' \
'(--plan)--dry-run[Plan only, as \`orlop sync plan\`]' \
'--no-wait[Do not wait until everything is healthy]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::dir -- Folder or file with manifests:_files' \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
'()--git=[Git repository\: https, http, ssh or a local path; never with a password in it]:URL:_default' \
'()--ref=[Branch, tag or commit \[default\: the repository'\''s default branch\]]:REF:_default' \
'()--path=[Folder inside the repository]:DIR:_default' \
'()--git-ssh-key=[Private key for ssh]:FILE:_files' \
'()--known-hosts=[Known host keys for ssh]:FILE:_files' \
'()--git-ca=[Certificate authorities for https, in PEM, beside the system'\''s]:FILE:_files' \
'--name=[Name of the delivery \[default\: the name of the folder or of the repository\]]:NAME:_default' \
'-n+[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--inventory-namespace=[Namespace of the inventory \[default\: as --namespace\]]:NAMESPACE:_default' \
'--as-service-account=[Act as this service account\: everything that is read and written]:NAMESPACE/NAME:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'*--ignore=[Leave fields to others, as in Deployment.apps\:/spec/replicas or *\:manager=NAME\: neither shown nor overwritten; may be repeated]:KIND[.GROUP][/NAMESPACE/NAME]:POINTER:_default' \
'--force-recreate=[Whether an object that cannot be changed in place is deleted and made again; annotated is one with orlop.dev/force\: recreate. Never a Namespace, a definition, a volume or its claim \[default\: annotated\]]:WHEN:((never\:"Never"
annotated\:"An object with the annotation"
always\:"Every object"))' \
'*--prune-limit=[Prune at most so many objects, or such a share of the inventory; may be given for each \[default\: 100 and 50%\]]:N|N%:_default' \
'*--prune-kind=[Prune objects of this guarded kind, as in Namespace; may be repeated]:KIND[.GROUP]:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--force-conflicts[Take fields that other field managers own]' \
'--prune[Delete objects that left the tree]' \
'--prune-empty[Prune also when the tree is empty]' \
'--prune-last[Prune last, when what was delivered is healthy]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::dir -- Folder or file with manifests:_files' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--name=[Name of the delivery \[default\: the name of the folder or of the repository\]]:NAME:_default' \
'-n+[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--inventory-namespace=[Namespace of the inventory \[default\: as --namespace\]]:NAMESPACE:_default' \
'--as-service-account=[Act as this service account\: everything that is read and written]:NAMESPACE/NAME:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::delivery_name -- Name of the delivery, as --name:_default' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(delete)
_arguments "${_arguments_options[@]}" : \
'--name=[Name of the delivery \[default\: the name of the folder or of the repository\]]:NAME:_default' \
'-n+[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of objects that name none \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--inventory-namespace=[Namespace of the inventory \[default\: as --namespace\]]:NAMESPACE:_default' \
'--as-service-account=[Act as this service account\: everything that is read and written]:NAMESPACE/NAME:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'*--prune-kind=[Delete also objects of this guarded kind, as in Namespace; may be repeated]:KIND[.GROUP]:_default' \
'(--no-wait)--wait-timeout=[Longest wait for readiness and for health \[default\: 5m\]]:DURATION:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--orphan[Leave the objects and only remove labels and inventory]' \
'--yes[Delete without asking; needed unless --orphan is given]' \
'--no-wait[Do not wait until everything is healthy]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::delivery_name -- Name of the delivery, as --name:_default' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'--config=[File with GitSync documents, and at most one AgentConfig]:FILE:_files' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(get)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'(-n --namespace)-A[Those of all namespaces]' \
'(-n --namespace)--all-namespaces[Those of all namespaces]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::name -- Name of the GitSync; all of the namespace when absent:_default' \
&& ret=0
;;
(describe)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(tree)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(history)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--limit=[How many operations are shown, newest first; up to 1,000 are kept]:N:_default' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(report)
_arguments "${_arguments_options[@]}" : \
'--window=[The time up to now that is looked at; 1,000 operations of a GitSync are kept]:DURATION:_default' \
'-n+[Namespace \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'(-n --namespace)-A[GitSyncs of all namespaces]' \
'(-n --namespace)--all-namespaces[GitSyncs of all namespaces]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(reconcile)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--dry-run[Let the server check the change and keep nothing of it]' \
'(--dry-run)--no-wait[Do not wait until the run was made]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(suspend)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--dry-run[Let the server check the change and keep nothing of it]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(resume)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--dry-run[Let the server check the change and keep nothing of it]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
(rollback)
_arguments "${_arguments_options[@]}" : \
'-n+[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--namespace=[Namespace of the GitSync \[default\: the context'\''s\]]:NAMESPACE:_default' \
'--kubeconfig=[Kubeconfig file \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:_default' \
'--timeout=[Longest time for one request \[default\: 30s\]]:DURATION:_default' \
'--concurrency=[Requests under way at once, 1 to 256 \[default\: 16\]]:N:_default' \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--reason=[Why; kept on the GitSync]:TEXT:_default' \
'--to=[The revision \[default\: the newest healthy one before the present one\]]:COMMIT:_default' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'--dry-run[Let the server check the change and keep nothing of it]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- Name of the GitSync:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(help)
_arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help]' \
'--help[Print help]' \
'*::words -- A topic such as `exit-codes`, or a command such as `sync plan`:_default' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help]' \
'--help[Print help]' \
'::dir -- Folder for one page per command; without it the main page goes to stdout:_files -/' \
&& ret=0
;;
(version)
_arguments "${_arguments_options[@]}" : \
'-o+[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--output=[Form of the output]:FORMAT:((text\:"For people"
json\:"One JSON document, stable"
yaml\:"The same document as YAML"))' \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(generate)
_arguments "${_arguments_options[@]}" : \
'--color=[Use colours\: auto, always or never \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless \`NO_COLOR\` is set or \`TERM\` is \`dumb\`"
always\:"Also into files and pipes"
never\:"Not at all"))' \
'--config=[Config file \[default\: ~/.config/orlop/config.yaml\]]:FILE:_files' \
'-h[Print help]' \
'--help[Print help]' \
':dir -- Folder to write to:_files' \
&& ret=0
;;
(controller)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_orlop__subcmd__controller_commands" \
"*::: :->controller" \
&& ret=0

    case $state in
    (controller)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:orlop-controller-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
'--kubeconfig=[Kubeconfig \[default\: \$KUBECONFIG, ~/.kube/config, or the Pod'\''s service account\]]:FILE:_files' \
'--context=[Context of the kubeconfig]:NAME:' \
'--namespace=[Namespace of the Lease \[default\: orlop-system\]]:NAME:' \
'--listen=[Where /metrics, /healthz and /readyz are served \[default\: 127.0.0.1\:8080\]]:ADDRESS:' \
'--identity=[Unique name in the election \[default\: \$POD_NAME or the host'\''s name, and the process\]]:NAME:' \
'--lease-seconds=[How long the Lease of a leader that is gone holds, 2 to 300 \[default\: 2\]]:N:' \
'--cache=[Where fetched Git objects are kept \[default\: /var/cache/orlop\]]:DIR:_files -/' \
'--tenancy=[\`multi\`\: GitSyncs must name a service account; \`single\`\: they need not \[default\: multi\]]:MODE:' \
'--shards=[Into how many shards GitSyncs are divided, 1 to 64 \[default\: 1\]]:N:' \
'--shard-index=[Which of the shards this process works on, from 0 \[default\: 0\]]:I:' \
'--cluster-name=[What notifications and commit statuses call this cluster \[default\: nothing\]]:NAME:' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(agent)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_orlop__subcmd__agent_commands" \
"*::: :->agent" \
&& ret=0

    case $state in
    (agent)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:orlop-agent-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
'--config=[Config file \[default\: none, the standard logs of the host to stdout\]]:FILE:_files' \
'--state-dir=[State folder \[default\: \`state_dir\` of the config, /var/lib/orlop/agent\]]:DIR:_files -/' \
'--listen=[Where /metrics, /healthz, /readyz are served, or off]:ADDRESS:' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(check-config)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'::FILE:_files' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--config=[Config file \[default\: none, the standard logs of the host to stdout\]]:FILE:_files' \
'--state-dir=[State folder \[default\: \`state_dir\` of the config, /var/lib/orlop/agent\]]:DIR:_files -/' \
'--json[Print JSON]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(tap)
_arguments "${_arguments_options[@]}" : \
'--config=[Config file \[default\: none, the standard logs of the host to stdout\]]:FILE:_files' \
'--state-dir=[State folder \[default\: \`state_dir\` of the config, /var/lib/orlop/agent\]]:DIR:_files -/' \
'--stage=[raw, parsed or sampled \[default\: sampled\]]:STAGE:' \
'--file=[Only files whose path has this text in it]:TEXT:' \
'--pod=[Only pods whose namespace/name has this text in it]:TEXT:' \
'--count=[End after N records]:N:' \
'--json[Print JSON lines]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(config-reference)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_orlop_commands] )) ||
_orlop_commands() {
    local commands; commands=(
'sync:Deliver a tree of manifests to a cluster' \
'help:Explain a topic or a command' \
'completions:Print a completion script for a shell' \
'man:Print the manual page, or write every page to a folder' \
'version:Print what this binary was built from' \
'generate:Write the reference pages, man pages, completions and deploy manifests' \
'controller:Watch over deliveries from inside the cluster' \
'agent:Collect the logs of this node, losing none' \
    )
    _describe -t commands 'orlop commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent_commands] )) ||
_orlop__subcmd__agent_commands() {
    local commands; commands=(
'run:Collect logs until SIGTERM or SIGINT; SIGHUP loads the config again' \
'check-config:Tell every mistake of a config file' \
'status:Ask a running agent how it is' \
'tap:Show live what a stage of a running agent sees; lossy, slows nothing' \
'config-reference:Print every field of the config file, in Markdown' \
    )
    _describe -t commands 'orlop agent commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent__subcmd__check-config_commands] )) ||
_orlop__subcmd__agent__subcmd__check-config_commands() {
    local commands; commands=()
    _describe -t commands 'orlop agent check-config commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent__subcmd__config-reference_commands] )) ||
_orlop__subcmd__agent__subcmd__config-reference_commands() {
    local commands; commands=()
    _describe -t commands 'orlop agent config-reference commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent__subcmd__run_commands] )) ||
_orlop__subcmd__agent__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'orlop agent run commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent__subcmd__status_commands] )) ||
_orlop__subcmd__agent__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'orlop agent status commands' commands "$@"
}
(( $+functions[_orlop__subcmd__agent__subcmd__tap_commands] )) ||
_orlop__subcmd__agent__subcmd__tap_commands() {
    local commands; commands=()
    _describe -t commands 'orlop agent tap commands' commands "$@"
}
(( $+functions[_orlop__subcmd__completions_commands] )) ||
_orlop__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'orlop completions commands' commands "$@"
}
(( $+functions[_orlop__subcmd__controller_commands] )) ||
_orlop__subcmd__controller_commands() {
    local commands; commands=(
'run:Reconcile GitSyncs until SIGTERM or SIGINT' \
    )
    _describe -t commands 'orlop controller commands' commands "$@"
}
(( $+functions[_orlop__subcmd__controller__subcmd__run_commands] )) ||
_orlop__subcmd__controller__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'orlop controller run commands' commands "$@"
}
(( $+functions[_orlop__subcmd__generate_commands] )) ||
_orlop__subcmd__generate_commands() {
    local commands; commands=()
    _describe -t commands 'orlop generate commands' commands "$@"
}
(( $+functions[_orlop__subcmd__help_commands] )) ||
_orlop__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'orlop help commands' commands "$@"
}
(( $+functions[_orlop__subcmd__man_commands] )) ||
_orlop__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'orlop man commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync_commands] )) ||
_orlop__subcmd__sync_commands() {
    local commands; commands=(
'plan:Show what would be done' \
'apply:Deliver the tree and wait until it is healthy' \
'diff:Show every field that would change, with whole values' \
'status:Show a delivery'\''s objects with their health' \
'list:List the deliveries of a cluster' \
'delete:Delete a delivery'\''s objects, or let go of them with --orphan' \
'run:Deliver the GitSyncs of a file continuously, from this host' \
'get:List the GitSyncs of a cluster, or show one' \
'describe:Show a GitSync\: what it wants, what it did, what keeps it' \
'tree:Show the objects of a GitSync as a tree with their health' \
'history:Show the last operations of a GitSync' \
'report:Show deployment frequency, failure rate, time to restore, duration, coverage' \
'reconcile:Ask a GitSync for a run at once, and wait for its end' \
'suspend:Stop a GitSync\: nothing is delivered or healed until it is resumed' \
'resume:Let a GitSync go on after \`suspend\` or \`rollback\`' \
'rollback:Deliver a revision of the history that was healthy, until \`resume\`' \
    )
    _describe -t commands 'orlop sync commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__apply_commands] )) ||
_orlop__subcmd__sync__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync apply commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__delete_commands] )) ||
_orlop__subcmd__sync__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync delete commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__describe_commands] )) ||
_orlop__subcmd__sync__subcmd__describe_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync describe commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__diff_commands] )) ||
_orlop__subcmd__sync__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync diff commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__get_commands] )) ||
_orlop__subcmd__sync__subcmd__get_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync get commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__history_commands] )) ||
_orlop__subcmd__sync__subcmd__history_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync history commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__list_commands] )) ||
_orlop__subcmd__sync__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync list commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__plan_commands] )) ||
_orlop__subcmd__sync__subcmd__plan_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync plan commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__reconcile_commands] )) ||
_orlop__subcmd__sync__subcmd__reconcile_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync reconcile commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__report_commands] )) ||
_orlop__subcmd__sync__subcmd__report_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync report commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__resume_commands] )) ||
_orlop__subcmd__sync__subcmd__resume_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync resume commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__rollback_commands] )) ||
_orlop__subcmd__sync__subcmd__rollback_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync rollback commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__run_commands] )) ||
_orlop__subcmd__sync__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync run commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__status_commands] )) ||
_orlop__subcmd__sync__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync status commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__suspend_commands] )) ||
_orlop__subcmd__sync__subcmd__suspend_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync suspend commands' commands "$@"
}
(( $+functions[_orlop__subcmd__sync__subcmd__tree_commands] )) ||
_orlop__subcmd__sync__subcmd__tree_commands() {
    local commands; commands=()
    _describe -t commands 'orlop sync tree commands' commands "$@"
}
(( $+functions[_orlop__subcmd__version_commands] )) ||
_orlop__subcmd__version_commands() {
    local commands; commands=()
    _describe -t commands 'orlop version commands' commands "$@"
}

if [ "$funcstack[1]" = "_orlop" ]; then
    _orlop "$@"
else
    compdef _orlop orlop
fi
