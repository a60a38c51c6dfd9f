#!/usr/bin/env bash
# What: two counters of one process rise by the same 31 at the same moment, and increase(all[1h]) - increase(part[1h]) is 0.26, not 0, in
# Prometheus 2.42, though every sample of the hour is there. The rule is evaluated between two scrapes, as rules mostly are.
# Expected: nothing differs. increase() extends what its samples show to both ends of the range. A counter whose first sample there is 0 is
# not extended to the beginning, as it cannot have been below 0; one that stood at 1000 is. So the same rise gives 31.26 for the one
# that was 0, and 31.53 for the other.
# So: an alert on "all but those of one kind", as a difference of two increases above 0, fires where all are of that kind. Count what is
# left in a counter of its own.
# Needs: Debian 12 on x86-64 with its packages, bash. Nothing is installed.
#
# Seen (prometheus 2.42.0+ds-5+deb12u1; a promtool built from v0.316.0 gives the same):
#   increase(all[1h]): 3.1525423728813557E+01
#   increase(part[1h]): 3.126271186440678E+01
#   increase(all[1h]) - increase(part[1h]): 2.627118644067785E-01
#   (increase(all[1h]) - increase(part[1h]) > 0) * 0 + 1: 1E+00
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
apt-get -qq download prometheus=2.42.0+ds-5+deb12u1 2>/dev/null
dpkg -x prometheus_*.deb root

# promtool prints what it got only where that is not what was expected; nothing gives -1 here.
value() {
	cat >test.yaml <<-END
		tests:
		  - interval: 1m
		    input_series:
		      - {series: all, values: 1000x30 1031x100}
		      - {series: part, values: 0x30 31x100}
		    promql_expr_test:
		      - {expr: "$1", eval_time: 80m30s, exp_samples: [{labels: "{}", value: -1}]}
	END
	root/usr/bin/promtool test rules test.yaml 2>&1 | sed -n 's/.*got: *{} *//p'
}

for expr in "increase(all[1h])" "increase(part[1h])" "increase(all[1h]) - increase(part[1h])" \
	"(increase(all[1h]) - increase(part[1h]) > 0) * 0 + 1"; do
	echo "$expr: $(value "$expr")"
done >got
cat got
cat >want <<'WANT'
increase(all[1h]): 3.1525423728813557E+01
increase(part[1h]): 3.126271186440678E+01
increase(all[1h]) - increase(part[1h]): 2.627118644067785E-01
(increase(all[1h]) - increase(part[1h]) > 0) * 0 + 1: 1E+00
WANT
diff got want || { echo "this is not what was seen before"; exit 1; }
