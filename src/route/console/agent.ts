import { checkAlphabet } from './check.ts';

/**
 * What runs on the host behind a console: a loop that reads checked lines and answers with checked
 * lines. `read` is a builtin, so no line editor sees what is sent; and what is sent is only ever an
 * argument, never evaluated.
 *
 * Every answer begins with the nonce on a line of its own: `NONCE VERB WORDS CHECK`.
 */

/** How the agent is made. */
export interface AgentOptions {
  readonly nonce: string;
  /** Names the folder on the host; a later agent of the same session finds what an earlier one left. */
  readonly session: string;
  /** Seconds without a valid line after which the shell is ended and the folder removed. */
  readonly deadManSeconds: number;
  /** True where the shell must not be ended, whatever happens: sulogin(8) would go on with the boot. */
  readonly spares?: boolean;
}

/** The agent as lines without indentation, comments and empty lines. */
export function agentLines(options: AgentOptions): string[] {
  return agentText
    .replace('@NONCE@', options.nonce)
    .replace('@SESSION@', options.session)
    .replace('@DEADMAN@', String(options.deadManSeconds))
    .replace('@SPARE@', options.spares === true ? 'yes' : '')
    .replace('@ALPHABET@', () => checkAlphabet)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const agentText = String.raw`
N=@NONCE@ S=remedy-console-@SESSION@ DEAD=@DEADMAN@ SPARE=@SPARE@ cur= got=0 asked=
have() { command -v "$1" >/dev/null 2>&1; }
if have print && ! have printf; then put() { print -rn -- "$1"; }; else put() { printf %s "$1"; }; fi
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
umask 077
# The check value of a line, into k.
A='@ALPHABET@'
if have cksum; then CK=cksum
ck() { k=$(put "$1" | cksum); k=${'${k%% *}'}; }
else CK=sum
ck() {
s=$1 x=0 y=0
while [ -n "$s" ]; do
c=${'${s%"${s#?}"}'}; p=${'${A%%"$c"*}'}
x=$(( (x + ${'${#p}'} + 1) % 4093 )); y=$(( (y + x) % 4093 )); s=${'${s#?}'}
done
k=$x.$y
}
fi
say() { ck "$*"; put "
$N $* $k
"; }
# Bytes to printable text and back, by whatever there is.
if have base64; then EN=b64; en() { base64; }
elif have openssl; then EN=b64; en() { openssl base64 -e; }
else EN=hex; en() { od -An -v -tx1 | tr -d ' '; }; fi
if have base64; then DE=b64; de() { base64 -d; }
elif have openssl; then DE=b64; de() { openssl base64 -d -A; }
elif have python3; then DE=b64; de() {
python3 -c 'from sys import *; import base64
stdout.buffer.write(base64.b64decode(stdin.read()))'
}
elif have perl; then DE=b64
de() { perl -MMIME::Base64 -0777 -ne 'print decode_base64($_)'; }
else DE=oct; fi
if have gzip; then GZ=gz; else GZ=no; fi
if have sha256sum; then DG=sha256; dg() { sha256sum | cut -c 1-32; }
elif have openssl; then DG=sha256; dg() { openssl dgst -sha256 -r | cut -c 1-32; }
elif have cksum; then DG=cksum; dg() { cksum | tr ' ' .; }
else DG=length; dg() { wc -c | tr -d ' '; }; fi
if have fold; then wrap() { tr -d '\n' | fold -w "$1"; echo; }
else wrap() { cat; }; fi
size() { if [ -e "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }
word() { case $1 in ''|*[!A-Za-z0-9]*) return 1 ;; esac; }
# p SEQ: are you there?
do_p() {
say P "$1" "$CK" "$EN" "$DE" "$GZ" "$DG" "$(id -u)" "${'${D:-none}'}"
}
# n SEQ KEY: an upload begins, or goes on.
do_n() {
cur=$2; got=$(size "$D/up-$2")
[ ! -e "$D/prog-$2" ] || got=whole
say A "$2" "$got"
}
# u KEY OFFSET DATA
do_u() {
if [ "$1.$2" = "$cur.$got" ]; then
if put "$3" >>"$D/up-$1"; then got=$((got + ${'${#3}'}))
else got=$(size "$D/up-$1"); say F "$1" full; return; fi
fi
say A "$cur" "$got" "$2"
}
# w SEQ KEY FORMAT DIGEST: the upload is whole.
do_w() {
if [ ! -e "$D/prog-$2" ]; then
case $3 in
gz) de <"$D/up-$2" | gzip -dc ;;
b64) de <"$D/up-$2" ;;
oct) printf %b "$(cat "$D/up-$2")" ;;
esac >"$D/new-$2" 2>/dev/null
if [ "$(dg <"$D/new-$2")" != "$4" ]; then
rm -f "$D/up-$2" "$D/new-$2"; got=0; say W "$1" bad; return
fi
mv "$D/new-$2" "$D/prog-$2"; rm -f "$D/up-$2"
fi
say W "$1" ok
}
# r SEQ KEY: the program begins, once only. It must outlive this shell.
do_r() {
[ -e "$D/prog-$2" ] || { say R "$1" missing; return; }
if mkdir "$D/run-$2" 2>/dev/null; then
if have setsid; then L=setsid; else L=; fi
( trap '' HUP
exec $L sh -c 'echo $$ >"$1/pid-$2"
sh "$1/prog-$2" >"$1/out-$2" 2>"$1/err-$2"
echo $? >"$1/end-$2.new" && mv "$1/end-$2.new" "$1/end-$2"' sh "$D" "$2" ) </dev/null >/dev/null 2>&1 &
fi
say R "$1" ok
}
# Killed, or of a time before the host was started anew, it will never say how it ended. The file of its
# number is empty for a moment.
lives() {
[ -s "$D/pid-$1" ] || return 0
read -r p <"$D/pid-$1"; kill -0 "$p" 2>/dev/null
}
# g SEQ KEY STREAM FROM WIDTH: how far is it, and what has it said since? Packed at once, sent by lines.
# The same question again has the same answer, without the work: a slow host would only be slowed by it.
do_g() {
if [ "$1" != "$asked" ]; then
asked=$1 t=0 h=-
e=none
if [ -d "$D/run-$2" ]; then e=running; lives "$2" || e=none; fi
[ ! -e "$D/end-$2" ] || read -r e <"$D/end-$2"
z=$(size "$D/$3-$2"); n=$((z - $4)); [ "$n" -le 262144 ] || n=262144
pack=$D/pack-$2-$3-$4-$n-$5
if [ "$n" -gt 0 ] && [ ! -e "$pack" ]; then
rm -f "$D/pack-$2-$3-"*
tail -c "+$(($4 + 1))" "$D/$3-$2" | head -c "$n" >"$pack.raw"
if [ "$GZ" = gz ] && [ "$n" -gt 200 ]; then gzip -c <"$pack.raw"
else cat "$pack.raw"; fi | en | wrap "$5" >"$pack.new"
dg <"$pack.raw" >"$pack.sum"; rm -f "$pack.raw"; mv "$pack.new" "$pack"
fi
if [ "$n" -gt 0 ]; then t=$(grep -c . "$pack"); h=$(cat "$pack.sum")
else n=0; fi
fi
say G "$1" "$e" "$z" "$n" "$t" "$h"
[ "$t" = 0 ] || lines "$1" "$pack" 1-8
}
# l SEQ KEY STREAM FROM COUNT WIDTH FIRST-LAST...: those lines again.
do_l() { q=$D/pack-$2-$3-$4-$5-$6; s=$1; shift 6; lines "$s" "$q" "$@"; }
lines() {
s=$1 q=$2; shift 2
for x; do
b=${'${x%-*}'}
sed -n "$b,${'${x#*-}'}p" "$q" 2>/dev/null |
while IFS= read -r d; do say D "$b" "$d"; b=$((b + 1)); done
done
say Z "$s"
}
# k SEQ KEY: the program is ended.
do_k() {
i=0
while [ -d "$D/run-$2" ] && [ ! -s "$D/pid-$2" ] && [ "$i" -lt 3 ]; do sleep 1; i=$((i + 1)); done
if [ -s "$D/pid-$2" ]; then
read -r p <"$D/pid-$2"
kill -TERM "-$p" 2>/dev/null || kill -TERM "$p" 2>/dev/null
fi
say K "$1"
}
# c SEQ KEY: nobody wants it any more.
do_c() { rm -rf "$D"/*-"$2" "$D"/*-"$2".* "$D"/pack-"$2"-*; say C "$1"; }
# e SEQ bye|stay: the end; with bye of the shell, too.
do_e() { say E "$1"; go=no bye=$2; }
# When a process began, into b: a number is given again to another one. Empty where /proc is not there.
born() { b=; { read -r b <"/proc/$1/stat"; } 2>/dev/null; set -- ${'${b##*) }'}; b=${'${20-}'}; }
same() { kill -0 "$1" 2>/dev/null || return 1; [ -z "$2" ] || { born "$1"; [ "$b" = "$2" ]; }; }
any() { [ -e "$1" ]; }
# In small steps, so that nothing sleeps on for long when the agent has ended. Where the shell has ended, what
# a program said is kept for a later agent of this session, until the time is over.
watch() {
w= t=0 gone=
born "$1"; o=$b
while sleep 5; do
[ -d "$D" ] || exit
v=$w; [ ! -s "$D/beat" ] || read -r v <"$D/beat"
if [ "$v" != "$w" ]; then w=$v t=0; else t=$((t + 5)); fi
if ! same "$1" "$o"; then gone=yes; quiet off; fi
[ "$t" -ge "$DEAD" ] || { [ -n "$gone" ] && ! any "$D"/run-*; } || continue
if [ -z "$gone$SPARE" ] && [ ! -e "$D/taken" ]; then
kill -HUP "$1"; same "$1" "$o" && kill -KILL "$1"
fi
quiet off; rm -rf "$D"; exit
done
}
unwatch() {
for f in "$D"/watch-*; do
[ -e "$f" ] || continue
read -r p o <"$f"
same "$p" "$o" && kill "$p" 2>/dev/null
rm -f "$f"
done
}
# Kernel messages would stand in the middle of our lines.
quiet() {
f=/proc/sys/kernel/printk
if [ "$1" = on ]; then
[ ! -e "$D/printk" ] || return 0
# Where they are turned down already, somebody else puts them back.
l=; { read -r l <$f; } 2>/dev/null
[ "${'${l%%[!0-9]*}'}" -gt 1 ] 2>/dev/null && { put "$l" >"$D/printk" && echo 1 >$f; } 2>/dev/null
elif [ -s "$D/printk" ]; then { cat "$D/printk" >$f; } 2>/dev/null; rm -f "$D/printk"; fi
}
go=yes beat=0 bye=
# Whoever hangs up or types Ctrl-C before the guard is there must not leave a folder that nobody removes.
trap '' HUP INT QUIT
# A folder of an earlier agent of this session, else a new one where there is room.
D=
for d in /run /dev/shm /tmp /var/tmp; do
[ -d "$d/$S" ] && [ -O "$d/$S" ] && D=$d/$S && break
done
[ -n "$D" ] || for d in /run /dev/shm /tmp /var/tmp; do
mkdir "$d/$S" 2>/dev/null || continue
head -c 65536 /dev/zero 2>/dev/null >"$d/$S/beat" && D=$d/$S && break
rm -rf "$d/$S"
done
if [ -n "$D" ]; then
unwatch
rm -f "$D/taken"
# An earlier run had this shell: its guard only cleans up from now on, and what it turned down is ours.
if [ -n "$REMEDY_RD" ] && [ "$REMEDY_RD" != "$D" ] && [ -O "$REMEDY_RD" ]; then
echo >"$REMEDY_RD/taken"
[ ! -s "$REMEDY_RD/printk" ] || mv "$REMEDY_RD/printk" "$D/printk"
fi
echo 0 >"$D/beat"
# Ctrl-C would reach it, or in bash the sleep that it waits for.
( trap '' HUP INT QUIT; watch $$ ) </dev/null >/dev/null 2>&1 &
p=$!
born "$p"
echo "$p $b" >"$D/watch-$p"
quiet on
[ -z "$REMEDY_RW" ] || kill "$REMEDY_RW" 2>/dev/null
REMEDY_RW= REMEDY_RD=$D
export REMEDY_RW REMEDY_RD
fi
trap - HUP INT QUIT
do_p 0
while [ "$go" = yes ] && IFS= read -r l; do
case $l in ':'*' .') ;; run) do_p 0; continue ;; '') continue ;;
*) say N "$cur" "$got"; continue ;; esac
l=${'${l#:}'}; l=${'${l% .}'}; r=${'${l##* }'}; l=${'${l% *}'}
ck "$l"
[ "$r" = "$k" ] || { say N "$cur" "$got"; continue; }
beat=$((beat + 1)); [ -z "$D" ] || echo "$beat" >"$D/beat"
set -f; set -- $l; set +f
v=$1; shift
case $v in p|n|u|w|r|g|l|k|c|e) word "${'${2:-1}'}" && "do_$v" "$@" ;; esac
done
if [ -n "$D" ]; then
unwatch
quiet off; rm -rf "$D"; REMEDY_RD=
fi
[ "$bye" != bye ] || { stty echo; exit; }
`;
