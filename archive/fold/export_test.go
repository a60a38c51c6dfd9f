package fold

// Fold and Unfold are those of names.
var (
	Fold   = fold
	Unfold = unfold
)
