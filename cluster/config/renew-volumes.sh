# Makes a released local volume available again: empties its folder and drops the old claim.
#   renew-volumes KUBECTL KUBECONFIG CLUSTER_DIR
export KUBECONFIG="$2"
while :; do
    "$1" get persistentvolumes --watch --request-timeout=0 \
        -o 'jsonpath={.metadata.name} {.status.phase} {.spec.local.path}{"\n"}' |
    while read -r name phase path; do
        [ "$phase" = Released ] || continue
        # Only what lies in a volume folder of this cluster is ever emptied.
        case "$path" in "$3"/node[1-9]/volumes/*) ;; *) continue ;; esac
        case "$path" in *..*) continue ;; esac
        find "$path" -mindepth 1 -delete && chown 0:0 "$path" && chmod 755 "$path" &&
            "$1" patch persistentvolume "$name" --type=merge -p '{"spec":{"claimRef":null}}'
    done
    # The watch ended: the API server was restarted, or is not there yet.
    sleep 1
done
