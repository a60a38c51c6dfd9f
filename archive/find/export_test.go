package find

// ListedFor is how long a list may give what it read before.
const ListedFor = listedFor
