#!/bin/bash
# Shows that the tests catch every mutant: builds each in, runs the package that has to notice, and wants it
# to fail. First the same packages have to pass without one. Arguments: names of mutants; none: all.
set -u
cd "$(dirname "$0")/../.."
table='
skipped_head_check   ./eventstore
position_is_history  ./eventstore
unconfirmed_refusal  ./eventstore
skipped_key_probe    ./eventstore
kept_overlay         ./eventstore
kept_persons         ./eventstore
clock_backwards      ./eventstore
loose_ciphertext     ./eventstore
position_is_proof    ./eventstore
reused_usage_key     ./eventstore
unhashed_meta        ./eventstore
checkpoint_apart     ./projections
unguarded_checkpoint ./projections
lazy_check           ./projections
foreign_stream       ./eventstore
duplicate_names      ./handlers
any_scope            ./handlers
half_up              ./domain/money
one_seat_more        ./domain/subscription
drifting_periods     ./domain/period
drifting_renewal     ./internal/model
seat_outlives_end    ./internal/model
task_backwards       ./internal/model
forgotten_room       ./internal/model
full_credit          ./domain/account
drifting_charge      ./domain/account
'
export RAPID_NOFAILFILE=true RAPID_SHRINKTIME=1s
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for file in internal/mutant/m_*.go; do
	name=$(basename "$file" .go)
	grep -q "^${name#m_} " <<<"$table" || { echo "${name#m_} is not in the table of $0"; exit 1; }
done
wanted=$(grep -v '^$' <<<"$table")
[ $# -gt 0 ] && wanted=$(for name in "$@"; do grep "^$name " <<<"$table" || echo "$name ?"; done)
grep '?' <<<"$wanted" && { echo "no such mutant"; exit 2; }
for package in $(awk '{ print $2 }' <<<"$wanted" | sort -u); do
	go test -count=1 -timeout 5m "$package" >"$out/sound" 2>&1 || { cat "$out/sound"; echo "$package fails without a mutant"; exit 1; }
done
survived=0
printf '%-22s %-22s %6s  %s\n' mutant package seconds 'caught by'
while read -r name package; do
	began=$SECONDS
	if ! go test -tags "mutant,mutant_$name" -run '^$' "$package" >"$out/$name" 2>&1; then
		cat "$out/$name"
		echo "$name does not build"
		exit 1
	fi
	if go test -tags "mutant,mutant_$name" -count=1 -failfast -timeout 90s "$package" >"$out/$name" 2>&1; then
		by='NOBODY: it survived'
		survived=$((survived + 1))
	else
		by=$(grep -m1 -oE '^ *--- FAIL: [^ ]+|^panic: test timed out' "$out/$name" | sed 's/.*--- FAIL: //')
		: "${by:?failed without naming a test: $(tail -n 5 "$out/$name")}"
	fi
	printf '%-22s %-22s %6d  %s\n' "$name" "$package" $((SECONDS - began)) "$by"
done <<<"$wanted"
[ $survived = 0 ] || { echo "$survived survived: a test is missing"; exit 1; }
