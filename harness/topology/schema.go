package topology

import (
	_ "embed"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// The words that the language has where there is a choice.
var (
	roles        = []string{string(Host), string(Pod), string(Router), string(Switch)}
	macvlanModes = []string{"bridge", "private", "vepa", "passthru"}
	routeTypes   = []string{"unicast", "blackhole", "unreachable", "prohibit", "local", "throw"}
	ruleTools    = []string{"nft", "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"}
	proxyModes   = []string{"iptables", "ipvs", "nftables"}
	serviceTypes = []string{"ClusterIP", "NodePort"}
	protocols    = []string{"TCP", "UDP"}
)

// enums is where the schema has which of them.
var enums = map[string][]string{
	"Node.role": roles, "Macvlan.mode": macvlanModes, "Route.type": routeTypes, "Ruleset.tool": ruleTools,
	"KubeProxy.mode": proxyModes, "Service.type": serviceTypes, "ServicePort.protocol": protocols,
}

// types is the source of the types, for the descriptions in the schema.
//
//go:embed topology.go
var types string

// Schema returns the JSON Schema of topology files, for editors. It is the language's shape only: what names refer to,
// and whether addresses fit each other, Parse alone knows.
func Schema() []byte {
	comments := comments(types)
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml",
		Anonymous:    true,
		LookupComment: func(t reflect.Type, field string) string {
			return comments[t.Name()+"."+field]
		},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix]():
				return &jsonschema.Schema{Type: "string"}
			case reflect.TypeFor[[]netip.Prefix]():
				one := &jsonschema.Schema{Type: "string"}
				return &jsonschema.Schema{OneOf: []*jsonschema.Schema{one, {Type: "array", Items: one}}}
			case reflect.TypeFor[yamlfile.Paths]():
				return &jsonschema.Schema{Type: "object"}
			}
			return nil
		},
	}
	s := r.Reflect(&Topology{})
	for place, words := range enums {
		name, field, _ := strings.Cut(place, ".")
		property, _ := s.Definitions[name].Properties.Get(field)
		for _, w := range words {
			property.Enum = append(property.Enum, w)
		}
	}
	sysctls, _ := s.Definitions["Node"].Properties.Get("sysctls")
	sysctls.AdditionalProperties = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}, {Type: "boolean"}}}
	mark, _ := s.Definitions["PolicyRule"].Properties.Get("mark")
	mark.Type, mark.OneOf = "", []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}
	s.Definitions["Backend"] = &jsonschema.Schema{
		OneOf:       []*jsonschema.Schema{{Type: "string"}, s.Definitions["Backend"]},
		Description: s.Definitions["Backend"].Description,
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // the schema is made of our own types only
	}
	return append(out, '\n')
}

// comments returns the comments of types, by "Type.", and of their fields, by "Type.Field".
func comments(source string) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
	if err != nil {
		panic(err) // it compiled
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			return true
		}
		spec := decl.Specs[0].(*ast.TypeSpec)
		found[spec.Name.Name+"."] = line(decl.Doc)
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					found[spec.Name.Name+"."+name.Name] = line(f.Doc) + line(f.Comment)
				}
			}
		}
		return false
	})
	return found
}

func line(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}
