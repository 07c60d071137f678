//! One operation of the OpenAPI document, made from the handler's types and the texts in the route table.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Components, Ref, RefOr, Required, ResponseBuilder, Schema};

use super::param::Param;
use super::{NamedSchema, named_schema};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The error bodies of a family.
pub(crate) struct ErrorForm {
    /// Name of their schema.
    pub(crate) schema: String,
    /// Their media type.
    pub(crate) media_type: &'static str,
}

/// The description of a route's operation.
#[derive(Default)]
pub struct Documented {
    operation_id: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    returns: &'static str,
    params: Vec<(&'static str, ParameterIn, Param)>,
    body: Option<RequestBody>,
    success: Option<(u16, Option<Typed>)>,
    headers: Vec<(&'static str, &'static str)>,
    answers: BTreeMap<u16, (&'static str, Media)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// A media type and its schema.
type Typed = (&'static str, RefOr<Schema>);

/// The body of an answer.
enum Media {
    /// An error in the family's dialect.
    Error,
    /// A JSON object.
    Object,
    /// A body in one of these media types.
    Of(&'static [&'static str]),
}

/// The texts in the route table; see the methods of the same names of [`Family`](crate::Family).
impl Documented {
    pub(crate) fn summary(&mut self, operation_id: &'static str, summary: &'static str) {
        (self.operation_id, self.summary) = (operation_id, summary);
    }

    pub(crate) fn description(&mut self, text: &'static str) {
        self.description = Some(text);
    }

    pub(crate) fn returns(&mut self, text: &'static str) {
        self.returns = text;
    }

    pub(crate) fn header(&mut self, name: &'static str, text: &'static str) {
        self.headers.push((name, text));
    }

    pub(crate) fn error(&mut self, status: u16, text: &'static str) {
        self.answers.insert(status, (text, Media::Error));
    }

    pub(crate) fn page(&mut self, status: u16, text: &'static str) {
        self.answers.insert(status, (text, Media::Of(&["text/html"])));
    }

    pub(crate) fn answer(&mut self, status: u16, text: &'static str, media_types: &'static [&'static str]) {
        self.answers.insert(status, (text, Media::Of(media_types)));
    }

    pub(crate) fn object(&mut self, status: u16, text: &'static str) {
        self.answers.insert(status, (text, Media::Object));
    }

    /// Returns the operation, with the errors in the form of `errors`.
    pub(crate) fn operation(&self, errors: &ErrorForm, components: &mut Components) -> Operation {
        components.schemas.extend(self.schemas.iter().cloned());
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.operation_id))
            .summary(Some(self.summary))
            .description(self.description)
            .request_body(self.body.clone());
        for (name, place, param) in &self.params {
            components.schemas.extend(param.schemas.iter().cloned());
            operation = operation.parameter(param.build(name, place.clone()));
        }
        if let Some((status, content)) = &self.success {
            operation = operation.response(status.to_string(), self.success(content.as_ref()));
        }
        for (status, (text, content)) in &self.answers {
            let response = ResponseBuilder::new().description(*text);
            let response = match content {
                Media::Error => {
                    let schema = Ref::from_schema_name(&errors.schema);
                    response.content(errors.media_type, Content::new(Some(schema)))
                }
                Media::Object => {
                    let object = ObjectBuilder::new().schema_type(Type::Object).build();
                    response.content(JSON, Content::new(Some(Schema::from(object))))
                }
                Media::Of(media_types) => media_types.iter().fold(response, |response, media_type| {
                    response.content(*media_type, Content::new(Some(any_of(media_type))))
                }),
            };
            operation = operation.response(status.to_string(), response);
        }
        operation.build()
    }

    fn success(&self, content: Option<&Typed>) -> ResponseBuilder {
        let mut response = ResponseBuilder::new().description(self.returns);
        for (name, text) in &self.headers {
            let header = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
            response = response.header(*name, header.description(Some(*text)).build());
        }
        match content {
            Some((media_type, schema)) => response.content(*media_type, Content::new(Some(schema.clone()))),
            None => response,
        }
    }
}

/// Returns the schema of content that the document does not describe further: a text, or any JSON value.
fn any_of(media_type: &str) -> RefOr<Schema> {
    let schema = match media_type {
        JSON => ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::AnyValue),
        _ => ObjectBuilder::new().schema_type(Type::String),
    };
    RefOr::T(schema.build().into())
}

/// The part of the description that the handler's types make.
pub struct Described<'a>(&'a mut Documented);

impl<'a> Described<'a> {
    pub(crate) fn new(documented: &'a mut Documented) -> Self {
        Self(documented)
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let NamedSchema { name, schemas } = named_schema::<T>();
        self.0.schemas.extend(schemas);
        RefOr::Ref(Ref::from_schema_name(name))
    }

    /// Says that the request's body is JSON with the schema of `T`. A body that is not `required` may be left out, but
    /// may not be `null`.
    pub fn takes_json<T: ToSchema>(&mut self, required: bool) {
        let schema = self.reference::<T>();
        let body = RequestBodyBuilder::new().content(JSON, Content::new(Some(schema)));
        self.0.body = Some(if required { body.required(Some(Required::True)) } else { body }.build());
    }

    /// Says that the request's body is a form with this field.
    pub fn takes_form(&mut self, field: &'static str, schema: impl Into<RefOr<Schema>>) {
        let schema = ObjectBuilder::new().property(field, schema).required(field);
        let body = RequestBodyBuilder::new().content(FORM, Content::new(Some(Schema::from(schema.build()))));
        self.0.body = Some(body.required(Some(Required::True)).build());
    }

    /// Says that the path has this parameter.
    pub fn takes_path(&mut self, name: &'static str, param: Param) {
        self.0.params.push((name, ParameterIn::Path, param));
    }

    /// Says that the query may have this parameter.
    pub fn takes_query(&mut self, name: &'static str, param: Param) {
        self.0.params.push((name, ParameterIn::Query, param));
    }

    /// Says that the answer is JSON with the schema of `T`.
    pub fn answer_json<T: ToSchema>(&mut self, status: u16) {
        let schema = self.reference::<T>();
        self.0.success = Some((status, Some((JSON, schema))));
    }

    /// Says that the answer has no body.
    pub fn answer_empty(&mut self, status: u16) {
        self.0.success = Some((status, None));
    }

    /// Says that the answer is text of this media type.
    pub fn answer_text(&mut self, status: u16, media_type: &'static str) {
        self.0.success = Some((status, Some((media_type, any_of(media_type)))));
    }
}
