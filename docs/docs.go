// Package docs hands programs what they read of the documentation, so that a
// figure has one place.
package docs

import _ "embed" // of UnitCosts

// UnitCosts is unit-costs.json: what single steps cost, and where each number is
// from. Package simulate reads it.
//
//go:embed unit-costs.json
var UnitCosts []byte
