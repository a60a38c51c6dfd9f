package archive_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// schema is the part of JSON Schema that the manifest's schema uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Defs       map[string]*schema `json:"$defs"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Const      any                `json:"const"`
	Enum       []string           `json:"enum"`
	Required   []string           `json:"required"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Additional *schema            `json:"additionalProperties"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	b, err := os.ReadFile("../docs/manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func (s *schema) resolve(t *testing.T, root *schema) *schema {
	t.Helper()
	if s == nil {
		t.Fatal("a part of the schema is missing")
	}
	if s.Ref == "" {
		return s
	}
	def, ok := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
	if !ok {
		t.Fatalf("schema refers to %q, which it does not define", s.Ref)
	}
	return def
}

// TestSchemaIsTheStruct compares the schema with the Go types, property by property, both ways.
func TestSchemaIsTheStruct(t *testing.T) {
	root := readSchema(t)
	compareType(t, root, root, reflect.TypeFor[archive.Manifest](), "manifest")
}

func compareType(t *testing.T, root, s *schema, typ reflect.Type, at string) {
	t.Helper()
	s = s.resolve(t, root)
	want := ""
	switch {
	case typ == reflect.TypeFor[time.Time]():
		if want = "string"; s.Format != "date-time" {
			t.Errorf("%s has format %q, want date-time", at, s.Format)
		}
	case typ.Kind() == reflect.Pointer:
		compareType(t, root, s, typ.Elem(), at)
		return
	case typ.Kind() == reflect.Struct:
		want = "object"
		compareStruct(t, root, s, typ, at)
	case typ.Kind() == reflect.Slice:
		want = "array"
		compareType(t, root, s.Items, typ.Elem(), at+"[]")
	case typ.Kind() == reflect.Map:
		want = "object"
		compareType(t, root, s.Additional, typ.Elem(), at+"{}")
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.String && (s.Enum != nil || s.Const != nil):
	case typ.Kind() == reflect.String:
		want = "string"
	default:
		want = "integer"
	}
	if s.Type != want {
		t.Errorf("%s has type %q, want %q", at, s.Type, want)
	}
}

func compareStruct(t *testing.T, root, s *schema, typ reflect.Type, at string) {
	t.Helper()
	var names, required []string
	for _, field := range reflect.VisibleFields(typ) {
		if field.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
		if options == "" {
			required = append(required, name)
		}
		if p := s.Properties[name]; p == nil {
			t.Errorf("%s.%s is not in the schema", at, name)
		} else {
			compareType(t, root, p, field.Type, at+"."+name)
		}
	}
	for name := range s.Properties {
		if !slices.Contains(names, name) {
			t.Errorf("%s.%s is in the schema only", at, name)
		}
	}
	slices.Sort(required)
	if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
		t.Errorf("%s requires %q, want %q", at, got, required)
	}
}

// TestSchemaEnums compares the schema's values with the constants of their types.
func TestSchemaEnums(t *testing.T) {
	root := readSchema(t)
	for _, name := range []string{"Verdict", "ContainerKind", "GapReason"} {
		got := slices.Sorted(slices.Values(root.Defs[name].Enum))
		if want := constantsOf(t, name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := root.Defs["Manifest"].Properties["version"].Const; got != archive.FormatVersion {
		t.Errorf("got version %v, want %s", got, archive.FormatVersion)
	}
}

// constantsOf reads the package's source for the constants of a type.
func constantsOf(t *testing.T, name string) (values []string) {
	t.Helper()
	for _, file := range []string{"manifest.go", "instance.go", "gap.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == name {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

// TestSchemaTakesManifests validates a manifest in which every field is set, and one in which none is.
func TestSchemaTakesManifests(t *testing.T) {
	root := readSchema(t)
	var full archive.Manifest
	fill(reflect.ValueOf(&full).Elem())
	full.Version = archive.FormatVersion
	for name, m := range map[string]*archive.Manifest{"full": &full, "bare": {Version: archive.FormatVersion, Instances: []archive.InstanceRecord{}}} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		if err := validate(t, root, root, doc, name); err != nil {
			t.Error(err)
		}
	}
	if err := validate(t, root, root, map[string]any{"version": "v2"}, "bad"); err == nil {
		t.Error("a document that is no manifest was taken")
	}
}

// fill sets every field to something.
func fill(v reflect.Value) {
	switch typ := v.Type(); {
	case typ == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(0, linetest.Base).UTC()))
	case typ == reflect.TypeFor[archive.Verdict]():
		v.SetString(string(archive.Partial))
	case typ == reflect.TypeFor[archive.GapReason]():
		v.SetString(string(archive.GapRotated))
	case typ == reflect.TypeFor[archive.ContainerKind]():
		v.SetString(string(archive.KindMain))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(typ, 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": "value"}))
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}

func validate(t *testing.T, root, s *schema, doc any, at string) error {
	s = s.resolve(t, root)
	kind := "null"
	switch d := doc.(type) {
	case map[string]any:
		kind = "object"
		for _, name := range s.Required {
			if _, ok := d[name]; !ok {
				return fmt.Errorf("%s has no %s", at, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d)) {
			p := s.Properties[name]
			if p == nil {
				p = s.Additional
			}
			if p == nil {
				return fmt.Errorf("%s.%s is not in the schema", at, name)
			}
			if err := validate(t, root, p, d[name], at+"."+name); err != nil {
				return err
			}
		}
	case []any:
		kind = "array"
		for _, item := range d {
			if err := validate(t, root, s.Items, item, at+"[]"); err != nil {
				return err
			}
		}
	case string:
		kind = "string"
		if s.Const != nil && s.Const != doc || s.Enum != nil && !slices.Contains(s.Enum, d) {
			return fmt.Errorf("%s is %q, which is not one of %q", at, d, s.Enum)
		}
	case bool:
		kind = "boolean"
	case float64:
		kind = "integer"
	}
	if s.Type != "" && s.Type != kind {
		return fmt.Errorf("%s is a %s, want %s", at, kind, s.Type)
	}
	return nil
}
