#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The prober of vantages without Python: POSIX sh and ping, one ping per sample. FORMAT.md, "The shell agent".
#
#   agent.sh check                                           what this vantage can do, one word per line
#   agent.sh start FOLDER RUN SECONDS STEP WAIT LANE:TARGET ...   starts a prober, detached; prints the spool's first line
#   agent.sh stop FOLDER                                     asks it to stop
#   agent.sh answer FOLDER                                   answers lines on standard input until they end
# STEP: hundredths of a second between samples. WAIT: whole seconds until a sample is lost.

LC_ALL=C
export LC_ALL

# Hundredths of a second since boot, into $now. Never steps, unlike `date`, and costs no process.
now() {
    read -r now _ </proc/uptime
    fraction=${now#*.}
    now=$((${now%.*} * 100 + 1$fraction - 100))
}

check() {
    if [ -r /proc/uptime ]; then echo uptime; fi
    if sleep 0.01 2>/dev/null; then echo fractions; fi
    if ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; then echo ping; fi
}

# LANE SEQ DUE TARGET: one sample, one line.
sample() {
    now
    sent=$now
    said=$(ping -c 1 -W "$wait_s" "$4" 2>&1)
    status=$?
    now
    case $said in
        *nreachable* | *xceeded* | *rohibited* | *iltered*) word=unreachable ;;
        *ermission* | *ermitted* | *uffer*) word=self ;;
        *) word=- ;;
    esac
    echo "s $1 $2 $3 $sent $now $status $word" >&3
}

pause() {
    rest=$((100 + $1 % 100))
    sleep "$(($1 / 100)).${rest#1}" 2>/dev/null || sleep 1
}

run() {
    folder=$1 duration=$(($3 * 100)) step=$4 wait_s=$5
    run=$2
    shift 5
    lanes=$*
    most=$((3 * $# * (100 * wait_s / step + 1)))
    set --
    exec 3>>"$folder/spool"
    trap '' HUP
    stopped=
    trap 'stopped=1' TERM INT
    now
    start=$now due=$now seq=0
    echo "csw-shell-spool 1 $run $$ $start $(date +%s)" >&3
    while [ $((due - start)) -lt "$duration" ]; do
        if [ -n "$stopped" ] || [ -e "$folder/stop" ]; then
            stopped=1
            break
        fi
        now
        late=$((now - due))
        if [ "$late" -lt 0 ]; then
            pause $((-late))
        elif [ "$late" -gt $((step / 2)) ]; then # overdue: told, never made up for in a burst
            missed=$(((late - step / 2 + step - 1) / step))
            for lane in $lanes; do
                echo "m ${lane%%:*} $seq $missed $due" >&3
            done
            seq=$((seq + missed)) due=$((due + missed * step))
        else
            for lane in $lanes; do
                sample "${lane%%:*}" "$seq" "$due" "${lane#*:}" &
                set -- "$@" $!
            done
            seq=$((seq + 1)) due=$((due + step))
            while [ $# -gt "$most" ]; do # ended long ago; the shell keeps account of it until it is asked
                wait "$1"
                shift
            done
        fi
    done
    for sampling in "$@"; do
        wait "$sampling"
    done
    echo "e ${stopped:-0} $seq" >&3
}

start() {
    folder=$1
    [ -e "$folder/spool" ] && { echo "there is a spool already"; return 1; }
    if command -v setsid >/dev/null 2>&1; then
        setsid sh "$0" run "$@" </dev/null >/dev/null 2>&1 &
    else
        nohup sh "$0" run "$@" </dev/null >/dev/null 2>&1 &
    fi
    tries=0
    while [ ! -s "$folder/spool" ]; do
        tries=$((tries + 1))
        [ "$tries" -gt 20 ] && { echo "it did not start"; return 1; }
        pause 10
    done
    head -n 1 "$folder/spool"
}

# "E TOKEN": a clock echo, whether the prober lives, and how long its spool is when it does not.
# "D OFFSET": what the spool has from there on, at most 32 KiB, up to a line with one dot.
answer() {
    spool=$1/spool
    read -r _ _ _ pid _ <"$spool" || { echo "X no such spool"; return 1; }
    while read -r what number; do
        case $what in
            E)
                now
                state=gone
                { read -r _ _ state _ <"/proc/$pid/stat"; } 2>/dev/null
                if [ "$state" != gone ] && [ "$state" != Z ]; then
                    echo "E $number $now 1 0"
                else
                    echo "E $number $now 0 $(wc -c <"$spool")"
                fi
                ;;
            D)
                echo "D $number"
                tail -c "+$((number + 1))" "$spool" | dd bs=32768 count=1 2>/dev/null
                printf '\n.\n'
                ;;
        esac
    done
}

command=$1
shift
case $command in
    check | start | run | answer) "$command" "$@" ;;
    stop) : >"$1/stop" ;;
    *) sed -n '5,8s/^#  //p' "$0"; exit 2 ;;
esac
