package doctor

import (
	"context"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// store looks at what the store can do, with the caller's own credentials.
func (v *visit) store(ctx context.Context) {
	if v.Store == nil {
		v.say(Note, "the store was not looked at", "name it with --archive or EPILOGUE_ARCHIVE")
		return
	}
	if err := v.readable(ctx); err != nil {
		v.say(Bad, fmt.Sprintf("the archive cannot be read: %v", err), "check --archive, --s3-endpoint, --s3-region and your AWS credentials: reading needs s3:ListBucket and s3:GetObject")
		return
	}
	v.good("the archive can be read")
	can, err := patient.Probe(ctx, v.Store)
	if err != nil {
		v.say(Note, fmt.Sprintf("what the store can do was not found out, as nothing could be written to it: %v", err), "nothing, if your credentials may only read")
		return
	}
	if can.ConditionalPut {
		v.good("the store refuses to replace what is there (conditional put)")
	} else {
		v.say(Warn, "the store has no conditional put: each key is looked for before it is written", "nothing, with one replica; with several use a store that has it")
	}
	if can.Ranges {
		v.good("the store gives parts of objects (ranges)")
	} else {
		v.say(Warn, "the store does not give parts of objects: the tail of a log costs the whole log", "use a store that does")
	}
}

// readable lists something and stops.
func (v *visit) readable(ctx context.Context) error {
	codec, err := format.NewCodec()
	if err != nil {
		return err
	}
	reader := read.New(find.Config{Store: v.Store, Codec: codec})
	for _, err := range reader.Jobs(ctx, archive.JobQuery{Namespace: v.Namespace}) {
		return err
	}
	return nil
}
