# Ends what its parent has started and left behind, however the parent itself has ended: its standard input, on which it
# is told what runs, ends with the parent. Arguments: scripts/kafka.
trap '' INT TERM HUP
declare -A groups=() brokers=() mounts=()
while read -r verb what; do
  case $verb in
    started) groups[$what]=1 ;;
    ended) unset "groups[$what]" ;;
    broker) brokers[$what]=1 ;;
    wiped) unset "brokers[$what]" ;;
    mounted) mounts[$what]=1 ;;
    unmounted) unset "mounts[$what]" ;;
  esac
done
for group in "${!groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null; done
for broker in "${!brokers[@]}"; do
  "$1" kill --name "$broker" 2>/dev/null
  "$1" down --wipe --name "$broker" 2>/dev/null
done
for mount in "${!mounts[@]}"; do umount --lazy "$mount" 2>/dev/null; done
exit 0
