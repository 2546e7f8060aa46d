// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

type object = map[string]any

// document is the OpenAPI 3.0 description of the API, made from the routes and the types that they answer with.
func (s *Server) document() any { return openAPI(s.operations(), s.options.Version) }

func openAPI(routes []route, version string) object {
	d := &describer{schemas: object{}}
	paths := object{}
	for _, r := range routes {
		path, _ := paths[base+r.path].(object)
		if path == nil {
			path = object{}
			paths[base+r.path] = path
		}
		path[strings.ToLower(r.method)] = d.operation(r)
	}
	paths[base+"/events"] = object{"get": object{
		"summary": "What changes, as server-sent events", "operationId": "getEvents",
		"responses": object{"200": object{"description": "a stream without end", "content": object{"text/event-stream": object{"schema": object{"type": "string"}}}}},
	}}
	return object{
		"openapi":    "3.0.3",
		"info":       object{"title": "N3IWF management", "version": version, "license": object{"name": "Apache-2.0"}},
		"paths":      paths,
		"components": object{"schemas": d.schemas, "securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer"}}},
		"security":   []object{{}, {"bearer": []string{}}},
	}
}

type describer struct{ schemas object }

func (d *describer) operation(r route) object {
	failure := object{"description": "what was wrong", "content": object{"application/json": object{"schema": d.schema(reflect.TypeFor[problem]())}}}
	responses := object{"default": failure}
	if r.answer == nil {
		responses[strconv.Itoa(http.StatusNoContent)] = object{"description": "done"}
	} else {
		responses["200"] = object{"description": r.summary, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(r.answer))}}}
	}
	op := object{"summary": r.summary, "operationId": operationID(r), "responses": responses}
	var parameters []object
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters = append(parameters, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "integer"}})
		}
	}
	for _, q := range r.query {
		parameters = append(parameters, object{"name": q.name, "in": "query", "description": q.about, "schema": object{"type": q.kind}})
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if r.body != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(r.body))}}}
	}
	return op
}

// operationID turns GET /ues/{id} into getUesId.
func operationID(r route) string {
	id := strings.ToLower(r.method)
	for _, part := range strings.FieldsFunc(r.path, func(c rune) bool { return strings.ContainsRune("/{}-", c) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// schema describes a type; structs are put aside and referred to.
func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		s := d.schema(t.Elem())
		s["nullable"] = true
		return s
	case t.Implements(textMarshaler):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.reference(t)
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	}
	return object{"type": "integer"}
}

func (d *describer) reference(t reflect.Type) object {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if _, known := d.schemas[name]; !known {
		properties := object{}
		d.schemas[name] = object{"type": "object", "properties": properties}
		d.fields(t, properties)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (d *describer) fields(t reflect.Type, properties object) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			d.fields(f.Type, properties)
		case name != "-" && name != "":
			properties[name] = d.schema(f.Type)
		}
	}
}
