// Package printer prints for a person what journals hold. It only reads.
package printer
