//! JSON as every urpc peer speaks it: Go's `encoding/json`.
