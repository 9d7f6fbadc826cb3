//! Embeddings of unit length, in the ways that exporters write them.

use anyhow::{Result, bail, ensure};

use super::{Lowering, Node, Value};

impl<'a> Lowering<'a> {
    /// Squares, sums over an embedding, and their roots.
    pub(super) fn length(&mut self, node: &Node<'a>) -> Result<Value> {
        if node.operator() == "Sqrt" {
            return match self.value(node, 0)? {
                &Value::SquaredLength(of) => Ok(Value::Length(of)),
                _ => bail!("expected the square of an embedding's length, found something else"),
            };
        }
        if node.operator() == "ReduceSum" {
            let &Value::Squares(of) = self.value(node, 0)? else {
                bail!("expected the squares of an embedding, found something else");
            };
            self.check_components(node, of)?;
            return Ok(Value::SquaredLength(of));
        }
        let of = self.output(node, 0)?.node;
        self.check_components(node, of)?;
        match node.operator() {
            "ReduceL2" => Ok(Value::Length(of)),
            "ReduceSumSquare" => Ok(Value::SquaredLength(of)),
            _ => {
                let p = node.integer("p", 2);
                ensure!(p == 2, "expected lengths of p = 2, found {p}");
                Ok(Value::Unit(of))
            }
        }
    }

    /// Whether what is summed up are the components of one embedding.
    fn check_components(&self, node: &Node<'a>, of: usize) -> Result<()> {
        let shape = self.graph.shape(of);
        ensure!(
            shape.len() == shape.channels,
            "expected the length of an embedding, found one over maps of {} x {}",
            shape.height,
            shape.width
        );
        ensure!(
            node.integer("noop_with_empty_axes", 0) == 0,
            "expected a length over the components of an embedding, found nothing to be summed up"
        );
        let axis = node.attribute("axis").map(|attribute| vec![attribute.i]);
        let axes = match (axis, node.integers("axes"), node.input(1)) {
            (Some(axis), ..) => axis,
            (_, Some(axes), _) => axes.to_vec(),
            (_, _, Some(_)) => self.constant(node, 1)?.integers()?.to_vec(),
            // All, or the last.
            _ => return Ok(()),
        };
        let is_last = axes.len() == 1 && matches!(axes[0], 1 | -1 | -3);
        ensure!(
            is_last,
            "expected a length over the components of an embedding, found one over axes {axes:?}"
        );
        Ok(())
    }

    /// What arithmetic makes of squares and lengths; nothing where there are none.
    pub(super) fn of_length(&self, node: &Node<'a>) -> Result<Option<Value>> {
        let values = [
            self.value(node, 0)?,
            self.value(node, 1).unwrap_or(self.value(node, 0)?),
        ];
        let value = match (node.operator(), values) {
            ("Mul", [Value::Layer(a), Value::Layer(b)])
                if a.node == b.node && node.input(0) == node.input(1) =>
            {
                Value::Squares(a.node)
            }
            ("Pow", [Value::Layer(a), Value::Constant(exponent)])
                if exponent.numbers() == [2.0] =>
            {
                Value::Squares(a.node)
            }
            // What keeps a division by zero from happening: next to nothing beside a length.
            (
                "Add" | "Max",
                [
                    value @ (Value::SquaredLength(_) | Value::Length(_)),
                    Value::Constant(least),
                ],
            ) if least.len() == 1 && least.numbers()[0].abs() <= 1e-5 => value.clone(),
            ("Div", [Value::Layer(a), Value::Length(of)]) if a.node == *of => Value::Unit(a.node),
            (
                _,
                [
                    Value::Squares(_) | Value::SquaredLength(_) | Value::Length(_),
                    _,
                ],
            )
            | (
                _,
                [
                    _,
                    Value::Squares(_) | Value::SquaredLength(_) | Value::Length(_),
                ],
            )
            | ("Pow" | "Max", _) => {
                bail!("expected a division of an embedding by its length, found something else")
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}
