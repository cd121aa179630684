use super::Callback;
use super::names::check_name;
use crate::Error;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// What the guest is told of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostCallbackInfo {
    /// [`Callback::name`].
    pub name: String,
    /// [`Callback::description`].
    pub description: String,
    /// [`Callback::parameters_schema`] as JSON text.
    pub parameters_schema_json: String,
}

/// Callbacks whose names have been checked. Cheap to clone.
#[derive(Clone, Default)]
pub struct Callbacks {
    infos: Arc<[HostCallbackInfo]>,
    callbacks: Arc<[Arc<dyn Callback>]>,
}

impl Callbacks {
    /// Checks names and schemas.
    ///
    /// # Errors
    /// [`Error::Config`] if a name is no Python name, is a built-in one or is there
    /// twice, if one callback's name is another's namespace, or if a schema is not that of an
    /// object.
    ///
    /// ```
    /// use eryx_core::{Callbacks, DynamicCallback};
    /// use std::sync::Arc;
    ///
    /// let now = DynamicCallback::new("clock.now", |_| async { Ok(serde_json::json!(0)) });
    /// let callbacks = Callbacks::new([Arc::new(now) as _])?;
    /// assert_eq!(callbacks.infos()[0].name, "clock.now");
    /// # Ok::<(), eryx_core::Error>(())
    /// ```
    pub fn new(callbacks: impl IntoIterator<Item = Arc<dyn Callback>>) -> Result<Self, Error> {
        let mut names = HashSet::new();
        let mut checked = Vec::new();
        for callback in callbacks {
            let name = callback.name().to_owned();
            check_name(&name)?;
            if !names.insert(name.clone()) {
                return Err(Error::Config(format!("there are two callbacks named {name}")));
            }
            let schema = callback.parameters_schema();
            let is_object = schema.get("type").is_none_or(|kind| kind == "object");
            if !schema.is_object() || !is_object {
                return Err(Error::Config(format!(
                    "the parameters of the callback {name} must be a JSON Schema of an object"
                )));
            }
            let info = HostCallbackInfo {
                name,
                description: callback.description().to_owned(),
                parameters_schema_json: schema.to_string(),
            };
            checked.push((info, callback));
        }
        for name in &names {
            let within = |other: &&String| {
                other.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
            };
            if let Some(other) = names.iter().find(within) {
                return Err(Error::Config(format!(
                    "the callback {name} cannot also be the namespace of the callback {other}"
                )));
            }
        }
        Ok(checked.into_iter().collect())
    }

    /// What the guest is told.
    pub fn infos(&self) -> &[HostCallbackInfo] {
        &self.infos
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Arc<dyn Callback>> {
        self.callbacks.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.infos.get(number))
            .map_or("", |info| &info.name)
    }
}

impl FromIterator<(HostCallbackInfo, Arc<dyn Callback>)> for Callbacks {
    fn from_iter<I: IntoIterator<Item = (HostCallbackInfo, Arc<dyn Callback>)>>(all: I) -> Self {
        let (infos, callbacks): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Self { infos: infos.into(), callbacks: callbacks.into() }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.infos.iter().map(|info| &info.name)).finish()
    }
}
