package deploy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/epilogue-dev/epilogue/golden"
)

func TestSchemaIsUpToDate(t *testing.T) {
	top, err := readValues("chart/epilogue/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema := top.schema()
	schema["$schema"], schema["title"] = "http://json-schema.org/draft-07/schema#", "Values of the Epilogue chart"
	// Helm gives it to every chart that another one includes.
	schema["properties"].(map[string]any)["global"] = map[string]any{"type": "object"}
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "chart/epilogue/values.schema.json", append(text, '\n'))
}

func TestValuesTableIsUpToDate(t *testing.T) {
	const path, begin = "chart/epilogue/README.md", "<!-- values: written by make update -->\n"
	top, err := readValues("chart/epilogue/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(text), begin)
	if !ok {
		t.Fatalf("%s has no line %q", path, strings.TrimSpace(begin))
	}
	var b strings.Builder
	b.WriteString(before + begin + "\n| value | default | what it is |\n|---|---|---|\n")
	top.rows(&b)
	golden.Compare(t, path, []byte(b.String()))
}

func TestAnnotationsThatAreWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing said", "a: 1", "a: says nothing"},
		{"not YAML", "# A.\n# @schema {enum: [\na: 1", "a: @schema"},
		{"an unknown word", "# A.\n# @schema {is: colour}\na: 1", `a: @schema names "colour"`},
		{"a default that is not allowed", "# A.\n# @schema {enum: [b]}\na: c", "a: the default"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parseValues([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// named are the shapes that several values have, by the word that "is" in an annotation takes.
var named = map[string]map[string]any{
	"quantity":      {"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$`},
	"duration":      {"type": "string", "pattern": `^([0-9]+(ms|s|m|h))*$`},
	"name":          {"type": "string", "pattern": `^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`},
	"port":          {"type": "integer", "minimum": 1, "maximum": 65535},
	"autoOrBoolean": {"enum": []any{"auto", "true", "false", true, false}},
	"numberOrPercent": {
		"oneOf": []any{map[string]any{"type": "integer", "minimum": 0}, map[string]any{"type": "string", "pattern": "^([0-9]+%)?$"}},
	},
	"object":  {"type": "object", "additionalProperties": true},
	"objects": {"type": "array", "items": map[string]any{"type": "object"}},
	"strings": {"type": "object", "additionalProperties": map[string]any{"type": "string"}},
	"variables": {
		"type": "object", "propertyNames": map[string]any{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
		"additionalProperties": map[string]any{"type": []any{"string", "number", "boolean"}},
	},
	"secretKeyRefs": {"type": "array", "items": map[string]any{
		"type": "object", "additionalProperties": false, "required": []any{"name", "secretName", "secretKey"},
		"properties": map[string]any{"name": filled, "secretName": filled, "secretKey": filled},
	}},
}

var filled = map[string]any{"type": "string", "minLength": 1}

// value is one of values.yaml.
type value struct {
	path     string // gate.mode; "" of the whole file
	about    string // its comment, in one line
	said     map[string]any
	preset   any // its default, as JSON has it
	children []*value
}

func readValues(path string) (*value, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseValues(text)
}

func parseValues(text []byte) (*value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	top := &value{}
	return top, top.descend(document.Content[0])
}

// descend reads the members of a mapping.
func (v *value) descend(mapping *yaml.Node) error {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		child := &value{path: strings.TrimPrefix(v.path+"."+key.Value, ".")}
		v.children = append(v.children, child)
		if err := child.read(key.HeadComment, node); err != nil {
			return fmt.Errorf("%s: %w", child.path, err)
		}
		if node.Kind == yaml.MappingNode && child.said["additionalProperties"] == nil {
			if err := child.descend(node); err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes what the comment says, of which the last line may be the annotation.
func (v *value) read(comment string, node *yaml.Node) error {
	// A comment that an empty line parts from the key is none of the key's.
	comment = comment[strings.LastIndex(comment, "\n\n")+1:]
	var words []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		annotation, ok := strings.CutPrefix(line, "@schema ")
		if !ok {
			words = append(words, line)
		} else if err := yaml.Unmarshal([]byte(annotation), &v.said); err != nil {
			return fmt.Errorf("@schema: %w", err)
		}
	}
	v.about = strings.TrimSpace(strings.Join(words, " "))
	if word, ok := v.said["is"]; ok {
		shape, ok := named[fmt.Sprint(word)]
		if !ok {
			return fmt.Errorf("@schema names %q, want one of %q", word, slices.Sorted(maps.Keys(named)))
		}
		v.said = maps.Clone(shape)
	}
	if v.about == "" && (node.Kind != yaml.MappingNode || v.said != nil) {
		return errors.New("says nothing in a comment above it")
	}
	if err := node.Decode(&v.preset); err != nil {
		return err
	}
	if allowed, ok := v.said["enum"].([]any); ok && !slices.Contains(allowed, v.preset) {
		return fmt.Errorf("the default %v is none of %v", v.preset, allowed)
	}
	return nil
}

// schema is what the annotation says, and else follows from the default.
func (v *value) schema() map[string]any {
	s := map[string]any{}
	if v.about != "" {
		s["description"] = v.about
	}
	if len(v.children) > 0 || v.path == "" {
		properties := map[string]any{}
		for _, child := range v.children {
			properties[child.path[strings.LastIndex(child.path, ".")+1:]] = child.schema()
		}
		s["type"], s["additionalProperties"], s["properties"] = "object", false, properties
		return s
	}
	maps.Copy(s, v.said)
	if s["type"] == nil && s["enum"] == nil && s["oneOf"] == nil {
		s["type"] = typeOf(v.preset)
	}
	return s
}

func typeOf(preset any) string {
	switch preset.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

// rows writes a row of Markdown for each value, and for what holds values if there is something to say of it.
func (v *value) rows(b *strings.Builder) {
	for _, child := range v.children {
		if child.about != "" {
			preset := ""
			if len(child.children) == 0 {
				text, _ := json.Marshal(child.preset)
				preset = "`" + cmp.Or(string(text), `""`) + "`"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", child.path, preset, strings.ReplaceAll(child.about, "|", `\|`))
		}
		child.rows(b)
	}
}
