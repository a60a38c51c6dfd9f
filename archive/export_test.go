package archive

// Still waits until no frame is being closed beside. A process that dies takes that work along; a test that plays such a
// death, or whose folder goes away, has to wait for it.
func (s *Spool) Still() {
	for range cap(s.hands) {
		s.hands <- struct{}{}
	}
	for range cap(s.hands) {
		<-s.hands
	}
}

// Fold and Unfold are those of names.
var (
	Fold   = fold
	Unfold = unfold
)
