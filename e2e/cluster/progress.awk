# Prints how far a step is, and with bar=yes a bar of the whole run: see progress in lib.sh. Input: plan.tsv, seconds and step a line.
/^#/ || !NF { next }
{ total += $1; if (seen) next; if (index(name, $2) == 1) { share = $1; seen = 1 } else before += $1 }
END {
	fraction = share > 0 ? elapsed / share : 0
	if (share > 0 && name ~ /^build/ && of > 0 && packages > 0) fraction = packages / of
	if (fraction > 0.98) fraction = 0.98
	text = name ": " elapsed " s"
	if (name ~ /^build/ && packages > 0) text = text ", " packages (of > 0 ? " of " of : "") " packages"
	if (bar == "" || !seen) { print text; exit }
	done = before + share * fraction
	slow = done - before > 20 && elapsed > 20 ? elapsed / (done - before) : 1
	if (slow > 6) slow = 6
	if (slow < 0.3) slow = 0.3
	left = (total - done) * slow
	filled = int(20 * done / total)
	for (i = 0; i < 20; i++) line = line (i < filled ? "#" : ".")
	printf "[%s] %d %%, about %s left; %s\n", line, 100 * done / total, left < 90 ? int(left / 10 + 1) * 10 " s" : int(left / 60 + 0.5) " min", text
}
