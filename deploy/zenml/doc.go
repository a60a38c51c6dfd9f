// Package zenml holds the plug-in with which a ZenML server launches through Epilogue. It is Python; Go only runs its
// tests.
package zenml
